"""Endpoints: Creating, InService, Updating, RollingBack, Deleting, Failed; each change runs behind the answer."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.clock import Clock
from local.json_service import Call, JsonService, Operation, now
from local.listing import listing
from local.records import Document, Scope
from local.sagemaker.alarms import RoleAlarms, refuse_missing
from local.sagemaker.capacity import ENDPOINT_BYTES, Capacity
from local.sagemaker.capture import Capture
from local.sagemaker.control_plane import named, put_tags
from local.sagemaker.deployment import deployment_of, retained, summaries
from local.sagemaker.fleet import Fleet
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.keys import require_of_caller
from local.sagemaker.launch import Launcher, capacity
from local.sagemaker.metrics import InvocationMetrics
from local.sagemaker.names import arn, validation
from local.sagemaker.rollout import Plan, Rollout, plan_of
from local.sagemaker.serverless import Environments, is_serverless, refuse_concurrency

logger = logging.getLogger("embedded-aws.sagemaker")
# AWS says so of an endpoint that takes requests and no changes for a while; here after a restart.
RELAUNCHING = "SystemUpdating"
SERVING = ("InService", "Updating", "RollingBack", RELAUNCHING)
FLEET_WAIT_SECONDS = 60.0
# Less than `local.control` waits before it kills the server, whose state is not saved yet.
STOP_SECONDS = 30.0
# Whether a variant of an endpoint is registered with Application Auto Scaling.
IsScaled = Callable[[Scope, str, str], bool]
Key = tuple[str, str]


@dataclass
class Shift:
    """Traffic on its way to a new fleet."""

    deployment: Document
    began: float
    fleet: Fleet | None = None
    share: float = 0.0

    def route(self, fleet: Fleet, share: float) -> None:
        self.fleet, self.share = fleet, share


class Endpoints:
    """The endpoints of every account and region, and the fleets behind them."""

    def __init__(  # noqa: PLR0917 - what every endpoint needs
        self,
        service: JsonService,
        launcher: Launcher,
        is_scaled: IsScaled,
        metrics: InvocationMetrics,
        clock: Clock,
        room: Capacity,
    ) -> None:
        self.service = service
        self.clock = clock
        self.launcher = launcher
        self.is_scaled = is_scaled
        self.metrics = metrics
        self._fleets: dict[Key, Fleet] = {}
        self._captures: dict[Key, Capture] = {}
        self._shifts: dict[Key, Shift] = {}
        self._changed = threading.Condition()
        self._room = room
        # What changes under way take beyond what serves.
        self._growth: dict[object, int] = {}
        room.add(self._held_bytes)
        operations: dict[str, Callable[[Call], Document]] = {
            "CreateEndpoint": self._create,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._reweigh,
            "DescribeEndpoint": self._describe,
            "DeleteEndpoint": self._delete,
        }
        for name, run in operations.items():
            with_config = name in ("CreateEndpoint", "UpdateEndpoint")
            resources = _resources if with_config else lambda call: named("Endpoint", call)
            service.add(name, Operation(self._alone(run), resources))
        service.add("ListEndpoints", Operation(self._list))

    # --- the API -------------------------------------------------------------------------------------------------

    def _alone(self, run: Callable[[Call], Document]) -> Callable[[Call], Document]:
        """Calls come on threads: what one has looked at may not change before it has written what follows from it."""

        def alone(call: Call) -> Document:
            with self._changed:
                return run(call)

        return alone

    def _create(self, call: Call) -> Document:
        name = call.params["EndpointName"]
        self.service.refuse_taken(call.scope, "Endpoint", name)
        deployment = deployment_of(self.service, call.scope, call.params["EndpointConfigName"])
        require_of_caller(call, deployment["KmsKeyId"])
        # It says how updates go; the first deployment has nothing to move traffic from.
        refuse_missing(call.scope, plan_of(call.params.get("DeploymentConfig"), deployment).alarms)
        document = {
            "EndpointName": name,
            "EndpointArn": arn(call.scope, "Endpoint", name),
            "EndpointConfigName": call.params["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": now(),
            "LastModifiedTime": now(),
            "_name": name,
            "_deployment": deployment,
            **_last(call.params.get("DeploymentConfig")),
        }
        with self._room.lock:
            self._room.refuse_beyond(_instances(deployment), ENDPOINT_BYTES, "endpoints")
            self.service.records.put(call.scope, "Endpoint", name, document)
        put_tags(self.service, call, document["EndpointArn"])
        self._behind(call.scope, name, self._launch_first)
        return document

    def _update(self, call: Call) -> Document:
        name = call.params["EndpointName"]
        endpoint = self._in_service(call.scope, name)
        config = call.params.get("DeploymentConfig")
        if call.params.get("RetainDeploymentConfig"):
            config = endpoint.get("LastDeploymentConfig")
        deployment = retained(
            deployment_of(self.service, call.scope, call.params["EndpointConfigName"]), endpoint, call.params
        )
        require_of_caller(call, deployment["KmsKeyId"])
        self._refuse_removing_scaled(call.scope, name, endpoint, deployment)
        if is_serverless(deployment) and not is_serverless(endpoint["_deployment"]):
            raise validation(f'Endpoint "{name}" has instances and cannot become serverless: create another one.')
        plan = plan_of(config, deployment)
        refuse_missing(call.scope, plan.alarms)
        growth = self._grow(_second_fleet(plan, endpoint["_deployment"], deployment))
        self._set(call.scope, name, EndpointStatus="Updating", **_last(config))
        self._behind(call.scope, name, lambda scope, _: self._replace(scope, name, deployment, plan), growth)
        return endpoint

    def _reweigh(self, call: Call) -> Document:
        name = call.params["EndpointName"]
        endpoint = self._in_service(call.scope, name)
        changes = {change["VariantName"]: change for change in call.params["DesiredWeightsAndCapacities"]}
        known = {variant["VariantName"] for variant in endpoint["_deployment"]["Variants"]}
        if set(changes) - known:
            raise validation(f'Variants {sorted(set(changes) - known)} are not part of endpoint "{name}".')
        more = 0
        for variant in endpoint["_deployment"]["Variants"]:
            change = changes.get(variant["VariantName"], {})
            _refuse_capacity(variant, change)
            more += max(0, capacity({**variant, **_changed(variant, change)}) - capacity(variant))
        growth = self._grow(more)
        self._set(call.scope, name, EndpointStatus="Updating")
        self._behind(call.scope, name, lambda scope, _: self._apply(scope, name, changes), growth)
        return endpoint

    def _describe(self, call: Call) -> Document:
        endpoint = self.service.required(call.scope, "Endpoint", call.params["EndpointName"])
        fleet = self._fleets.get(_key(call.scope, endpoint["EndpointName"]))
        endpoint["ProductionVariants"] = summaries(endpoint["_deployment"], fleet)
        shift = self._shifts.get(_key(call.scope, endpoint["EndpointName"]))
        if shift is not None:
            endpoint["PendingDeploymentSummary"] = {
                "EndpointConfigName": shift.deployment["EndpointConfigName"],
                "ProductionVariants": summaries(shift.deployment, shift.fleet),
                "StartTime": shift.began,
            }
        if endpoint["_deployment"].get("AsyncInferenceConfig"):
            endpoint["AsyncInferenceConfig"] = endpoint["_deployment"]["AsyncInferenceConfig"]
        capture = endpoint["_deployment"].get("DataCaptureConfig")
        if capture:
            endpoint["DataCaptureConfig"] = {
                "EnableCapture": capture.get("EnableCapture", False),
                "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId", ""),
            }
        return endpoint

    def _list(self, call: Call) -> Document:
        found = self.service.records.all(call.scope, "Endpoint")
        wanted = call.params.get("StatusEquals")
        return listing([one for one in found if wanted in (None, one["EndpointStatus"])], "Endpoints", call.params)

    def _delete(self, call: Call) -> Document:
        name = call.params["EndpointName"]
        endpoint = self.service.required(call.scope, "Endpoint", name)
        if endpoint["EndpointStatus"] in ("Creating", "Updating", "RollingBack", RELAUNCHING):
            raise validation(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        self._set(call.scope, name, EndpointStatus="Deleting")
        self._behind(call.scope, name, self._remove)
        return {}

    # --- behind the answer ---------------------------------------------------------------------------------------

    def _behind(
        self, scope: Scope, name: str, work: Callable[[Scope, str], None], growth: object | None = None
    ) -> None:
        def run() -> None:
            try:
                work(scope, name)
            finally:
                self._growth.pop(growth, None)

        threading.Thread(target=run, daemon=True, name=f"endpoint-{name}").start()

    def _grow(self, instances: int) -> object:
        """Held from here until the change is over."""
        with self._room.lock:
            self._room.refuse_beyond(instances, ENDPOINT_BYTES, "endpoints")
            growth = object()
            self._growth[growth] = instances
            return growth

    def _held_bytes(self) -> int:
        deployed = [
            _instances(one["_deployment"])
            for _, _, one in self.service.records.everywhere("Endpoint")
            if one["EndpointStatus"] != "Failed"
        ]
        return (sum(deployed) + sum(list(self._growth.values()))) * ENDPOINT_BYTES

    def _launch_first(self, scope: Scope, name: str) -> None:
        endpoint = self.service.required(scope, "Endpoint", name)
        try:
            self._launch(scope, name, endpoint["_deployment"])
            self._set(scope, name, EndpointStatus="InService")
        except Exception as error:
            self._failed(scope, name, error, "Failed")

    def _replace(self, scope: Scope, name: str, deployment: Document, plan: Plan) -> None:
        """The new fleet is in service before the old one stops; a new one that fails leaves the old one as it was."""
        counts: dict[str, int] = {}
        try:
            running = self.fleet(scope, name)
            counts = {one.name: one.wanted for one in running.variants.values()}
            old = self._take(scope, name, self._move(scope, name, deployment, plan, running), deployment)
        except Exception as error:
            self._set(scope, name, EndpointStatus="RollingBack")
            self._move_back(scope, name, counts)
            self._failed(scope, name, error, "InService")
            return
        finally:
            self._shifts.pop(_key(scope, name), None)
        config = deployment["EndpointConfigName"]
        self._set(scope, name, EndpointConfigName=config, _deployment=deployment, EndpointStatus="InService")
        if old is not None:
            old.stop()

    def _move(self, scope: Scope, name: str, deployment: Document, plan: Plan, old: Fleet) -> Fleet:
        """The new fleet, which has all of the traffic when this returns."""
        first = deployment["Variants"][0]
        instances = first.get("InitialInstanceCount", 1)
        shift = Shift(deployment, now())
        self._shifts[_key(scope, name)] = shift
        rollout = Rollout(plan, RoleAlarms(scope, name, first["Model"]["ExecutionRoleArn"]), shift.route, self.clock)
        if plan.kind == "ROLLING":
            batch = {**deployment, "Variants": [{**first, "InitialInstanceCount": plan.batch(instances)}]}
            shift.fleet = self.launcher.fleet(scope, name, batch)
            rollout.rolling(old, shift.fleet, instances)
        else:
            shift.fleet = self.launcher.fleet(scope, name, deployment)
            rollout.blue_green(shift.fleet, instances)
        return shift.fleet

    def _move_back(self, scope: Scope, name: str, counts: dict[str, int]) -> None:
        """What a rolling update took down comes up again before the new fleet goes."""
        shift = self._shifts.get(_key(scope, name))
        if shift is None or shift.fleet is None or self.launcher.launches.closed:
            return
        serving = self.fleet(scope, name)
        # The watch would launch what is missing too.
        with serving.changing:
            for variant in serving.variants.values():
                try:
                    variant.resize(counts[variant.name])
                except LaunchFailed as error:
                    # The watch goes on launching it.
                    variant.wanted = counts[variant.name]
                    logger.warning("Endpoint %s: variant %s is not whole yet: %s", name, variant.name, error)
        shift.share = 0.0
        shift.fleet.stop()

    def _apply(self, scope: Scope, name: str, changes: dict[str, Document]) -> None:
        endpoint = self.service.required(scope, "Endpoint", name)
        fleet, deployment = self.fleet(scope, name), endpoint["_deployment"]
        try:
            with fleet.changing:
                for variant in deployment["Variants"]:
                    change = changes.get(variant["VariantName"], {})
                    if change.get("DesiredInstanceCount") is not None:
                        fleet.variants[variant["VariantName"]].resize(change["DesiredInstanceCount"])
                        variant["InitialInstanceCount"] = change["DesiredInstanceCount"]
                    running = fleet.variants[variant["VariantName"]]
                    if change.get("ServerlessUpdateConfig") and isinstance(running, Environments):
                        variant["ServerlessConfig"] |= change["ServerlessUpdateConfig"]
                        running.reconfigure(variant["ServerlessConfig"])
                    if change.get("DesiredWeight") is not None:
                        fleet.variants[variant["VariantName"]].weight = change["DesiredWeight"]
                        variant["InitialVariantWeight"] = change["DesiredWeight"]
            self._set(scope, name, EndpointStatus="InService", _deployment=deployment)
        except Exception as error:
            self._failed(scope, name, error, "InService")

    def _remove(self, scope: Scope, name: str) -> None:
        fleet = self._fleets.pop(_key(scope, name), None)
        capture = self._captures.pop(_key(scope, name), None)
        if fleet is not None:
            fleet.stop()
        if capture is not None:
            capture.stop()
        self.launcher.forget(name)
        self.service.records.remove(scope, "Tags", arn(scope, "Endpoint", name))
        self.service.records.remove(scope, "Endpoint", name)
        with self._changed:
            self._changed.notify_all()

    def _launch(self, scope: Scope, name: str, deployment: Document) -> Fleet | None:
        return self._take(scope, name, self.launcher.fleet(scope, name, deployment), deployment)

    def _take(self, scope: Scope, name: str, fleet: Fleet, deployment: Document) -> Fleet | None:
        """From now on this fleet serves; the answer is the one it takes over from."""
        with self._changed:
            old = self._fleets.get(_key(scope, name))
            self._fleets[_key(scope, name)] = fleet
            capture = self._captures.pop(_key(scope, name), None)
            self._captures[_key(scope, name)] = Capture(scope, name, deployment, self.launcher.gateway)
            self._changed.notify_all()
        if capture is not None:
            capture.stop()
        return old

    def _failed(self, scope: Scope, name: str, error: Exception, status: str) -> None:
        if self.launcher.launches.closed:
            # The stop ended it. Its record says that it was on the way, and the next start goes on from there.
            return
        if not isinstance(error, LaunchFailed):
            logger.error("Endpoint %s: an error of the embedded AWS itself", name, exc_info=error)
        reason = str(error)[:1024]
        logger.warning("Endpoint %s is %s: %s", name, status, reason)
        self._set(scope, name, EndpointStatus=status, FailureReason=reason)

    def _set(self, scope: Scope, name: str, **changes: Any) -> None:  # noqa: ANN401 - members of the record
        with self._changed:
            with self.service.records.edit(scope, "Endpoint", name) as endpoint:
                if changes.get("EndpointStatus") in ("Creating", "Updating"):
                    endpoint.pop("FailureReason", None)
                endpoint.update(changes, LastModifiedTime=now())
            self._changed.notify_all()

    # --- for the rest of the package -----------------------------------------------------------------------------

    def fleet(self, scope: Scope, name: str) -> Fleet:
        """The fleet that serves; after a restart its processes may still be coming up, so this waits for them."""
        with self._changed:
            self._changed.wait_for(lambda: _key(scope, name) in self._fleets, FLEET_WAIT_SECONDS)
            return self._fleets[_key(scope, name)]

    def running(self, scope: Scope, name: str) -> Fleet | None:
        """The fleet that serves now, if there is one yet."""
        return self._fleets.get(_key(scope, name))

    def routed(self, scope: Scope, name: str) -> Fleet:
        """The fleet that gets this request: while an update moves traffic, the old one or the new one."""
        fleet, shift = self.fleet(scope, name), self._shifts.get(_key(scope, name))
        if shift is not None and shift.fleet is not None and random.random() < shift.share:  # noqa: S311 - spreads load
            return shift.fleet
        return fleet

    def capture(self, scope: Scope, name: str) -> Capture | None:
        return self._captures.get(_key(scope, name))

    def wait(self, scope: Scope, name: str) -> Document | None:
        """Until nothing is in progress: the record, or None when it is gone."""

        def settled() -> bool:
            found = self.service.records.get(scope, "Endpoint", name)
            return found is None or found["EndpointStatus"] in ("InService", "Failed")

        with self._changed:
            self._changed.wait_for(settled)
        return self.service.records.get(scope, "Endpoint", name)

    def wait_launched(self, scope: Scope, endpoint_arn: str) -> None:
        """Until its launch after a restart has ended, if there is such an endpoint."""

        def launched() -> bool:
            found = self.service.records.all(scope, "Endpoint")
            return all(one["EndpointStatus"] != RELAUNCHING for one in found if one["EndpointArn"] == endpoint_arn)

        with self._changed:
            self._changed.wait_for(launched)

    def wait_gone(self, scope: Scope, arn_name: str) -> None:
        """Until no endpoint has this name, in whatever case an ARN writes it."""

        def gone() -> bool:
            names = [one["EndpointName"].lower() for one in self.service.records.all(scope, "Endpoint")]
            return arn_name.lower() not in names

        with self._changed:
            self._changed.wait_for(gone)

    def resume(self) -> None:
        """After a restart: what was in service, or on the way there, is launched again from what was deployed."""
        for scope, name, endpoint in self.service.records.everywhere("Endpoint"):
            status = endpoint["EndpointStatus"]
            if status == "Deleting":
                self._behind(scope, name, self._remove)
            elif status != "Failed":
                if status != "Creating":
                    self._set(scope, name, EndpointStatus=RELAUNCHING)
                self._behind(scope, name, self._launch_first)

    def stop(self) -> None:
        """Every process; the records stay for the next start."""
        running = self.launcher.launches.close()
        fleets = list(self._fleets.values())
        serving = {one.name for fleet in fleets for one in fleet.instances()}
        for capture in list(self._captures.values()):
            capture.stop()
        # A fleet that is changing waits for its launches, so these end at the same time, with hardly a grace: what
        # serves nobody yet has nothing to finish.
        threads = [
            threading.Thread(target=one.stop, args=(0.5,), daemon=True) for one in running if one.name not in serving
        ]
        threads += [threading.Thread(target=fleet.stop, args=(2.0,), daemon=True) for fleet in fleets]
        for thread in threads:
            thread.start()
        until = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def publish_metrics(self) -> None:
        """What every variant has to tell CloudWatch by now."""
        scaled = []
        for scope, name, endpoint in self.service.records.everywhere("Endpoint"):
            fleet = self.running(scope, name)
            if endpoint["EndpointStatus"] not in SERVING or fleet is None:
                continue
            for variant in list(fleet.variants.values()):
                if isinstance(variant, Environments):
                    if self.metrics.wants_memory((scope, name, variant.name)):
                        self.metrics.memory((scope, name, variant.name), variant.memory_percents())
                    continue
                key, working = (scope, name, variant.name), [one.outstanding for one in list(variant.instances)]
                is_scaled = self.is_scaled(*key)
                if is_scaled or any(working):
                    self.metrics.sample(key, working)
                if is_scaled:
                    scaled.append(key)
        self.metrics.publish(scaled)

    def processes(self) -> list[Document]:
        """What `status` lists."""
        return [
            {"endpoint": name, "variant": one.variant, "instance": one.name, "pid": one.pid, "log": str(one.log)}
            for (_, name), fleet in list(self._fleets.items())
            for one in fleet.instances()
        ]

    def _in_service(self, scope: Scope, name: str) -> Document:
        endpoint = self.service.required(scope, "Endpoint", name)
        if endpoint["EndpointStatus"] != "InService":
            raise validation(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        return endpoint

    def _refuse_removing_scaled(self, scope: Scope, name: str, endpoint: Document, deployment: Document) -> None:
        """AWS wants the scalable target deregistered before its variant goes or changes its instance type."""
        new = {variant["VariantName"]: variant.get("InstanceType") for variant in deployment["Variants"]}
        for variant in endpoint["_deployment"]["Variants"]:
            if new.get(variant["VariantName"]) != variant.get("InstanceType") and self.is_scaled(
                scope, name, variant["VariantName"]
            ):
                raise validation(
                    f'The variant(s) "[{variant["VariantName"]}]" must be deregistered as scalable targets with '
                    "AWS Auto Scaling before they can be removed or have their instance type updated."
                )


def _key(scope: Scope, name: str) -> Key:
    return scope.key, name


def _instances(deployment: Document) -> int:
    return sum(capacity(variant) for variant in deployment["Variants"])


def _second_fleet(plan: Plan, running: Document, deployment: Document) -> int:
    """What runs beside the old fleet at the widest: all of the new one, or a batch of a rolling update."""
    if plan.kind != "ROLLING":
        return _instances(deployment)
    wanted = _instances(deployment)
    return max(0, wanted - _instances(running)) + plan.batch(wanted)


def _changed(variant: Document, change: Document) -> Document:
    """The members that say how many instances there are, as the change wants them."""
    if change.get("ServerlessUpdateConfig"):
        return {"ServerlessConfig": {**variant["ServerlessConfig"], **change["ServerlessUpdateConfig"]}}
    count = change.get("DesiredInstanceCount")
    return {} if count is None else {"InitialInstanceCount": count}


def _refuse_capacity(variant: Document, change: Document) -> None:
    """Instances for a serverless variant, and concurrency for one that has instances."""
    name, serverless = variant["VariantName"], variant.get("ServerlessConfig")
    if serverless and change.get("DesiredInstanceCount") is not None:
        raise validation(f"Variant {name} is serverless and has no instances: DesiredInstanceCount is not for it.")
    if change.get("ServerlessUpdateConfig"):
        if not serverless:
            raise validation(f"Variant {name} has instances: ServerlessUpdateConfig is not for it.")
        refuse_concurrency(name, {**serverless, **change["ServerlessUpdateConfig"]})


def _last(config: Document | None) -> Document:
    return {"LastDeploymentConfig": config} if config else {}


def _resources(call: Call) -> tuple[str, ...]:
    return named("Endpoint", call) + named("EndpointConfig", call)
