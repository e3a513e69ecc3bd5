"""Deployments: what moves an alias, who watches meanwhile, and what takes it back."""

import logging
import secrets
import string
import threading
import time
from dataclasses import dataclass, field

from local import joints_lambda
from local.clock import Clock
from local.codedeploy import routing
from local.codedeploy.control_plane import ControlPlane
from local.codedeploy.names import (
    APPLICATION,
    DEPLOYMENT,
    GROUP,
    arn,
    group_arn,
    group_key,
    not_available,
    required,
)
from local.codedeploy.revision import Move, move_of, revision_of
from local.codedeploy.service_role import Ended, ServiceRole
from local.json_service import AwsError, Call, JsonService, Operation
from local.records import Document, Scope

# An alarm may be over after one period, which passes fast where the clock does.
LOOK_EVERY_SECONDS = 0.03
ENDED = ("Succeeded", "Failed", "Stopped")
LETTERS = string.ascii_uppercase + string.digits
PAGE = 100
ALLOWED = (
    "applicationName",
    "deploymentGroupName",
    "deploymentConfigName",
    "revision",
    "description",
    "autoRollbackConfiguration",
)
ON_ALARM, ON_REQUEST = "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"
WHATEVER_ITS_GROUP_SAYS = "rolled back on request"
logger = logging.getLogger("embedded-aws.codedeploy")


@dataclass
class Deployments:
    """The operations on deployments, and a thread for each that is under way."""

    service: JsonService
    clock: Clock
    _stops: dict[str, bool] = field(default_factory=dict)
    """Deployments that somebody wants stopped, and whether they are to be rolled back whatever their group says."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ending: bool = False

    def __post_init__(self) -> None:
        self.records = self.service.records
        self.control = ControlPlane(self.service)
        self.service.add("CreateDeployment", Operation(self._create, group_arn))
        self.service.add("GetDeployment", Operation(self._get, self._arn_of_its_group))
        self.service.add("BatchGetDeployments", Operation(self._batch, group_arn))
        self.service.add("ListDeployments", Operation(self._list, group_arn))
        self.service.add("StopDeployment", Operation(self._stop))
        self.service.add("ListDeploymentTargets", Operation(self._targets, self._arn_of_its_group))
        self.service.add("GetDeploymentTarget", Operation(self._target, self._arn_of_its_group))

    def resume(self) -> None:
        """Those that a stop interrupted have failed, and their aliases are as before."""
        for scope, name, one in self.records.everywhere(DEPLOYMENT):
            if one["status"] not in ENDED:
                move = Move(**one["_move"])
                self._end(scope, name, "Failed", "INTERNAL_ERROR", "The embedded AWS ended during this deployment.")
                if joints_lambda.alias(scope, move.function, move.alias) is not None:
                    joints_lambda.move_alias(scope, move.function, move.alias, move.current, {})

    def stop(self) -> None:
        """No thread goes on; what it did is on record, and taken back at the next start."""
        self._ending = True

    def wait(self, scope: Scope, deployment: str) -> Document:
        """Once it has ended, and its rollback with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over(scope, deployment))
        return required(self.records, scope, DEPLOYMENT, deployment)

    def _is_over(self, scope: Scope, deployment: str) -> bool:
        found = self.records.get(scope, DEPLOYMENT, deployment)
        return self._ending or found is None or (found["status"] in ENDED and not found.get("_busy"))

    # --- operations ----------------------------------------------------------------------------------------------

    def _arn_of_its_group(self, call: Call) -> tuple[str, ...]:
        found = self.records.get(call.scope, DEPLOYMENT, call.params.get("deploymentId", ""))
        return (arn(call.scope, GROUP, group_key(found) if found else "*"),)

    def _create(self, call: Call) -> Document:
        params = call.params
        unknown = sorted(name for name, value in params.items() if value and name not in ALLOWED)
        if unknown:
            raise not_available(f"{', '.join(unknown)} of a deployment")
        required(self.records, call.scope, APPLICATION, params["applicationName"])
        if "deploymentGroupName" not in params:
            raise AwsError("DeploymentGroupNameRequiredException", "deploymentGroupName is required.")
        group = required(self.records, call.scope, GROUP, group_key(params))
        config = self.control.config(call.scope, params.get("deploymentConfigName") or group["deploymentConfigName"])
        return {"deploymentId": self.begin(call.scope, group, config, move_of(params.get("revision")), "user", params)}

    def begin(  # noqa: PLR0917 - one deployment
        self, scope: Scope, group: Document, config: Document, move: Move, creator: str, wishes: Document
    ) -> str:
        with self._changed:
            for one in self.records.all(scope, DEPLOYMENT):
                if group_key(one) == group_key(group) and one["status"] not in ENDED:
                    text = f"The Deployment Group '{group['deploymentGroupName']}' already has an active Deployment "
                    raise AwsError("DeploymentLimitExceededException", f"{text}'{one['deploymentId']}'")
            document = self._document(group, config, move, creator)
            document |= {name: wishes[name] for name in ("description", "autoRollbackConfiguration") if name in wishes}
            deployment = str(document["deploymentId"])
            self.records.put(scope, DEPLOYMENT, deployment, document)
            self._note_attempt(scope, group, document)
        arguments = (scope, deployment, group, config, move)
        threading.Thread(target=self._run, args=arguments, daemon=True, name=f"codedeploy-{deployment}").start()
        return deployment

    def _document(self, group: Document, config: Document, move: Move, creator: str) -> Document:
        return {
            "applicationName": group["applicationName"],
            "deploymentGroupName": group["deploymentGroupName"],
            "deploymentConfigName": config["deploymentConfigName"],
            "deploymentId": f"d-{''.join(secrets.choice(LETTERS) for _ in range(9))}",
            "revision": revision_of(move),
            "previousRevision": revision_of(move.back()),
            "status": "Created",
            "createTime": self.clock.now(),
            "creator": creator,
            "autoRollbackConfiguration": group.get("autoRollbackConfiguration", {"enabled": False}),
            "deploymentStyle": group["deploymentStyle"],
            "computePlatform": "Lambda",
            "_move": vars(move),
            "_share": 0.0,
            "_busy": True,
        }

    def _get(self, call: Call) -> Document:
        return {"deploymentInfo": required(self.records, call.scope, DEPLOYMENT, call.params["deploymentId"])}

    def _batch(self, call: Call) -> Document:
        found = [self.records.get(call.scope, DEPLOYMENT, name) for name in call.params["deploymentIds"]]
        return {"deploymentsInfo": [one for one in found if one is not None]}

    def _list(self, call: Call) -> Document:
        params = call.params
        found = sorted(self.records.all(call.scope, DEPLOYMENT), key=lambda one: -one["createTime"])
        for name in ("applicationName", "deploymentGroupName"):
            found = [one for one in found if params.get(name, one[name]) == one[name]]
        statuses, times = params.get("includeOnlyStatuses"), params.get("createTimeRange", {})
        found = [one for one in found if not statuses or one["status"] in statuses]
        found = [one for one in found if times.get("start", 0) <= one["createTime"] <= times.get("end", float("inf"))]
        start = int(params.get("nextToken") or 0)
        more = {"nextToken": str(start + PAGE)} if start + PAGE < len(found) else {}
        return {"deployments": [one["deploymentId"] for one in found[start : start + PAGE]], **more}

    def _stop(self, call: Call) -> Document:
        found = required(self.records, call.scope, DEPLOYMENT, call.params["deploymentId"])
        if found["status"] in ENDED:
            text = f"The deployment {found['deploymentId']} is complete: {found['status']}."
            raise AwsError("DeploymentAlreadyCompletedException", text)
        with self._changed:
            self._stops[found["deploymentId"]] = bool(call.params.get("autoRollbackEnabled"))
        return {"status": "Pending", "statusMessage": "The deployment is being stopped."}

    def _targets(self, call: Call) -> Document:
        found = required(self.records, call.scope, DEPLOYMENT, call.params.get("deploymentId", ""))
        return {"targetIds": [_target_id(found)]}

    def _target(self, call: Call) -> Document:
        found = required(self.records, call.scope, DEPLOYMENT, call.params["deploymentId"])
        if call.params["targetId"] != _target_id(found):
            raise AwsError("DeploymentTargetDoesNotExistException", f"There is no target {call.params['targetId']}.")
        move = Move(**found["_move"])
        known = {"Created": "Pending", "Stopped": "Failed"}
        target = {
            "deploymentId": found["deploymentId"],
            "targetId": _target_id(found),
            "status": known.get(found["status"], found["status"]),
            "lastUpdatedAt": found.get("completeTime", found["createTime"]),
            "lambdaFunctionInfo": {
                "functionName": move.function,
                "functionAlias": move.alias,
                "currentVersion": move.current,
                "targetVersion": move.target,
                "targetVersionWeight": found["_share"],
            },
        }
        return {"deploymentTarget": {"deploymentTargetType": "LambdaTarget", "lambdaTarget": target}}

    # --- one deployment ------------------------------------------------------------------------------------------

    def _run(self, scope: Scope, deployment: str, group: Document, config: Document, move: Move) -> None:
        try:
            self._edit(scope, deployment, status="InProgress", startTime=self.clock.now())
            try:
                self._shift(scope, deployment, group, config, move)
            except Ended as end:
                logger.warning("%s: %s", deployment, end.message)
                self._take_back(scope, deployment, group, move, end)
            else:
                self._end(scope, deployment, "Succeeded")
        except _Interrupted:
            logger.info("%s is interrupted", deployment)
        except Exception:
            logger.exception("%s", deployment)
            self._end(scope, deployment, "Failed", "INTERNAL_ERROR", "The embedded AWS failed in this deployment.")

    def _shift(self, scope: Scope, deployment: str, group: Document, config: Document, move: Move) -> None:
        role = ServiceRole(scope, group)
        role.check(move)
        for step in routing.steps(config["trafficRoutingConfig"]):
            self._look(deployment, role)
            role.move(move, step.share)
            self._edit(scope, deployment, _share=step.share * 100)
            until = self.clock.now() + step.wait_seconds
            while (left := until - self.clock.now()) > 0:
                time.sleep(min(LOOK_EVERY_SECONDS, self.clock.pause(left)))
                self._look(deployment, role)

    def _look(self, deployment: str, role: ServiceRole) -> None:
        if self._ending:
            raise _Interrupted
        if deployment in self._stops:
            event = WHATEVER_ITS_GROUP_SAYS if self._stops.pop(deployment) else ON_REQUEST
            raise Ended("Stopped", "MANUAL_STOP", "The deployment was stopped on request.", event)
        active = role.alarms()
        if active:
            listed = " ".join(f"<{name}>" for name in active)
            text = "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, "
            text += f"and the affected deployments have been stopped. Activated alarms: {listed}"
            raise Ended("Stopped", "ALARM_ACTIVE", text, ON_ALARM)

    def _take_back(self, scope: Scope, deployment: str, group: Document, move: Move, end: Ended) -> None:
        found = required(self.records, scope, DEPLOYMENT, deployment)
        wanted = found["autoRollbackConfiguration"]
        rolls = wanted.get("enabled") and end.event in wanted.get("events", [])
        # What moved nothing has nothing to take back.
        if not found["_share"] or not (rolls or end.event == WHATEVER_ITS_GROUP_SAYS):
            self._end(scope, deployment, end.status, end.code, end.message)
            return
        # The old version takes over from itself: what its AppSpec says on AWS too.
        to = Move(move.function, move.alias, move.current, move.current)
        at_once = {"deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce"}
        rollback = self._document(group, at_once, to, "codeDeployRollback")
        name = str(rollback["deploymentId"])
        message = f"Deployment {deployment} terminated. Automatic rollback is triggered with a DeploymentId {name}."
        rollback |= {"status": "InProgress", "startTime": self.clock.now()}
        rollback["rollbackInfo"] = {"rollbackTriggeringDeploymentId": deployment}
        self.records.put(scope, DEPLOYMENT, name, rollback)
        self._edit(scope, deployment, rollbackInfo={"rollbackDeploymentId": name, "rollbackMessage": message})
        self._end(scope, deployment, end.status, end.code, end.message, busy=True)
        try:
            ServiceRole(scope, group).move(move, 0.0)
        except Ended as error:
            self._end(scope, name, "Failed", error.code, error.message)
        else:
            self._end(scope, name, "Succeeded")
        with self._changed:
            self._edit(scope, deployment, _busy=False)
            self._changed.notify_all()

    def _edit(self, scope: Scope, deployment: str, **values: object) -> None:
        try:
            with self.records.edit(scope, DEPLOYMENT, deployment) as document:
                document.update(values)
        except KeyError:
            # Its group was deleted meanwhile, and it with that.
            raise _Interrupted from None

    def _end(
        self, scope: Scope, deployment: str, status: str, code: str = "", message: str = "", *, busy: bool = False
    ) -> None:
        error = {"errorInformation": {"code": code, "message": message}} if code else {}
        with self._changed:
            self._edit(scope, deployment, status=status, completeTime=self.clock.now(), _busy=busy, **error)
            document = required(self.records, scope, DEPLOYMENT, deployment)
            self._note_attempt(scope, document, document)
            self._changed.notify_all()

    def _note_attempt(self, scope: Scope, group: Document, document: Document) -> None:
        """What GetDeploymentGroup says of its newest deployment, and of the newest that succeeded."""
        said = {name: document[name] for name in ("deploymentId", "status", "createTime")}
        if "completeTime" in document:
            said["endTime"] = document["completeTime"]
        if self.records.get(scope, GROUP, group_key(group)) is None:
            return
        with self.records.edit(scope, GROUP, group_key(group)) as kept:
            kept["lastAttemptedDeployment"] = said
            if document["status"] == "Succeeded":
                kept["lastSuccessfulDeployment"] = said


class _Interrupted(Exception):
    """The embedded AWS ends, or the deployment's group is gone."""


def _target_id(deployment: Document) -> str:
    move = Move(**deployment["_move"])
    return f"{move.function}:{move.alias}"
