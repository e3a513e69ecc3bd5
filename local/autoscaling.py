"""Application Auto Scaling's API: scalable targets, policies with their alarms, scheduled actions, activities.

`local.scaler` acts on what is kept here.
"""

import functools
import uuid
from collections.abc import Callable

from local import joints_cloudwatch, tracking
from local.clock import Clock
from local.json_service import AwsError, Call, JsonService, Operation
from local.records import Document, Scope
from local.scaler import schedule
from local.scaling.policy import TargetTracking
from local.scaling.schedule import ScheduleError

DIMENSIONS = {
    "sagemaker": ("sagemaker:variant:DesiredInstanceCount", "sagemaker:variant:DesiredProvisionedConcurrency"),
    "lambda": ("lambda:function:ProvisionedConcurrency",),
}
SUSPENDABLE = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
# Whether the resource that a target names exists; asked at registration.
Exists = Callable[[Scope, str, str], bool]
# Told of a target, by its key, that was registered or changed.
Registered = Callable[[Scope, str], None]
# A Describe call's members that name what is wanted, and the member of a record that they are compared with.
FILTERS = {"PolicyNames": "PolicyName", "ScheduledActionNames": "ScheduledActionName", "ResourceIds": "ResourceId"}


def target_key(params: Document) -> str:
    """How CloudFormation refers to a target, and how it is filed."""
    return "|".join((params["ResourceId"], params["ScalableDimension"], params["ServiceNamespace"]))


def is_scaled(service: JsonService, scope: Scope, endpoint: str, variant: str) -> bool:
    key = f"endpoint/{endpoint}/variant/{variant}|sagemaker:variant:DesiredInstanceCount|sagemaker"
    return service.records.get(scope, "ScalableTarget", key) is not None


class Autoscaling:
    """The operations over one store."""

    def __init__(self, exists: Exists, clock: Clock) -> None:
        self.exists = exists
        self.clock = clock
        self.registered: Registered = lambda scope, key: None
        self.service = JsonService(
            "application-autoscaling",
            "AnyScaleFrontendService.",
            "application-autoscaling",
            missing="ObjectNotFoundException",
        )
        one: dict[str, Callable[[Call], Document]] = {
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DeleteScalingPolicy": self._delete_policy,
            "PutScheduledAction": self._put_action,
            "DeleteScheduledAction": self._delete_action,
        }
        for name, run in one.items():
            self.service.add(name, Operation(run, self._target_arn))
        for name, kind, key in (
            ("DescribeScalableTargets", "ScalableTarget", "ScalableTargets"),
            ("DescribeScalingPolicies", "ScalingPolicy", "ScalingPolicies"),
            ("DescribeScheduledActions", "ScheduledAction", "ScheduledActions"),
            ("DescribeScalingActivities", "ScalingActivity", "ScalingActivities"),
        ):
            self.service.add(name, Operation(functools.partial(self._describe, kind, key)))

    def _target_arn(self, call: Call) -> tuple[str, ...]:
        prefix = f"arn:aws:application-autoscaling:{call.scope.region}:{call.scope.account}:scalable-target"
        try:
            known = self.service.records.get(call.scope, "ScalableTarget", target_key(call.params))
        except KeyError:
            known = None
        return (known["ScalableTargetARN"] if known else f"{prefix}/*",)

    def _register(self, call: Call) -> Document:
        params, key = call.params, target_key(call.params)
        existing = self.service.records.get(call.scope, "ScalableTarget", key)
        namespace = params["ServiceNamespace"]
        if namespace not in DIMENSIONS:
            raise AwsError("ValidationException", f"Namespace {namespace} is not available in the embedded AWS.")
        dimension = params["ScalableDimension"]
        if dimension not in DIMENSIONS[namespace]:
            text = f"The scalable dimension {dimension} of {namespace} is not available in the embedded AWS."
            raise AwsError("ValidationException", text)
        document = {**(existing or {}), **{name: value for name, value in params.items() if name != "Tags"}}
        for name in ("MinCapacity", "MaxCapacity"):
            if name not in document:
                raise AwsError("ValidationException", f"{name} is required to register a new scalable target.")
        if document["MinCapacity"] > document["MaxCapacity"]:
            raise AwsError("ValidationException", "Maximum capacity cannot be less than minimum capacity.")
        if not self.exists(call.scope, dimension, params["ResourceId"]):
            raise AwsError("ValidationException", f"{namespace} has no {params['ResourceId']} to scale.")
        identity = uuid.uuid4().hex
        role = f"{namespace}.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling"
        document.setdefault("CreationTime", self.clock.now())
        document.setdefault("RoleARN", f"arn:aws:iam::{call.scope.account}:role/aws-service-role/{role}")
        document.setdefault(
            "ScalableTargetARN",
            f"arn:aws:application-autoscaling:{call.scope.region}:{call.scope.account}:scalable-target/{identity}",
        )
        suspended = {**dict.fromkeys(SUSPENDABLE, False), **document.get("SuspendedState", {})}
        document["SuspendedState"] = suspended
        self.service.records.put(call.scope, "ScalableTarget", key, document)
        self.registered(call.scope, key)
        return document

    def _deregister(self, call: Call) -> Document:
        key = self._registered(call)
        self.service.records.remove(call.scope, "ScalableTarget", key)
        for kind in ("ScalingPolicy", "ScheduledAction"):
            for document in self.service.records.all(call.scope, kind):
                if target_key(document) == key:
                    self._remove(call.scope, kind, document)
        return {}

    def _registered(self, call: Call) -> str:
        key = target_key(call.params)
        if self.service.records.get(call.scope, "ScalableTarget", key) is None:
            text = f"No scalable target registered for service namespace: {call.params['ServiceNamespace']}, "
            text += f"resource ID: {call.params['ResourceId']}, scalable dimension: {call.params['ScalableDimension']}"
            raise AwsError("ObjectNotFoundException", text)
        return key

    def _put_policy(self, call: Call) -> Document:
        self._registered(call)
        existing = self.service.records.get(call.scope, "ScalingPolicy", _filed(call.params)) or {}
        where = f"resource/{call.params['ServiceNamespace']}/{call.params['ResourceId']}"
        policy = f"policyName/{call.params['PolicyName']}"
        document = {"PolicyType": "StepScaling", "CreationTime": self.clock.now(), **existing, **call.params}
        tracking.check(document)
        document.setdefault(
            "PolicyARN",
            f"arn:aws:autoscaling:{call.scope.region}:{call.scope.account}:scalingPolicy:{uuid.uuid4()}:{where}:{policy}",
        )
        rule = tracking.arithmetic(document)
        alarms = tracking.alarms(call.scope, document, rule) if isinstance(rule, TargetTracking) else []
        document["Alarms"] = [{"AlarmName": one["AlarmName"], "AlarmARN": one["AlarmArn"]} for one in alarms]
        for alarm in alarms:
            known = joints_cloudwatch.alarm(call.scope, alarm["AlarmName"]) or self._new_alarm()
            joints_cloudwatch.put_alarm(call.scope, {**known, **alarm})
        self.service.records.put(call.scope, "ScalingPolicy", _filed(call.params), document)
        return document

    def _new_alarm(self) -> Document:
        now = int(self.clock.now())
        return {
            "StateValue": "INSUFFICIENT_DATA",
            "StateReason": "Unchecked: Initial alarm creation",
            "StateUpdatedTimestamp": now,
            "AlarmConfigurationUpdatedTimestamp": now,
        }

    def _delete_policy(self, call: Call) -> Document:
        return self._drop(call, "ScalingPolicy")

    def _put_action(self, call: Call) -> Document:
        self._registered(call)
        existing = self.service.records.get(call.scope, "ScheduledAction", _filed(call.params)) or {}
        now = self.clock.now()
        params = {"CreationTime": now, **existing, **call.params, "_seen": now}
        if "Schedule" not in params:
            raise AwsError("ValidationException", "Schedule is required for a new scheduled action.")
        try:
            schedule(params).check()
        except ScheduleError as error:
            raise AwsError("ValidationException", f"Schedule: {error}.") from error
        where = f"resource/{params['ServiceNamespace']}/{params['ResourceId']}"
        params.setdefault(
            "ScheduledActionARN",
            f"arn:aws:autoscaling:{call.scope.region}:{call.scope.account}:scheduledAction:{uuid.uuid4()}:{where}"
            f":scheduledActionName/{params['ScheduledActionName']}",
        )
        self.service.records.put(call.scope, "ScheduledAction", _filed(params), params)
        return {}

    def _delete_action(self, call: Call) -> Document:
        return self._drop(call, "ScheduledAction")

    def _drop(self, call: Call, kind: str) -> Document:
        if self.service.records.get(call.scope, kind, _filed(call.params)) is None:
            raise AwsError("ObjectNotFoundException", f"No {kind} found for {_filed(call.params)}.")
        self._remove(call.scope, kind, self.service.required(call.scope, kind, _filed(call.params)))
        return {}

    def _remove(self, scope: Scope, kind: str, document: Document) -> None:
        """A policy takes its alarms along."""
        for alarm in document.get("Alarms", []):
            joints_cloudwatch.delete_alarm(scope, alarm["AlarmName"])
        self.service.records.remove(scope, kind, _filed(document))

    def _describe(self, kind: str, key: str, call: Call) -> Document:
        params = call.params
        wanted = {FILTERS[name]: set(params[name]) for name in FILTERS if params.get(name)}
        for name in ("ServiceNamespace", "ResourceId", "ScalableDimension"):
            if params.get(name):
                wanted[name] = {params[name]}
        found = [
            document
            for document in self.service.records.all(call.scope, kind)
            if all(document.get(name) in allowed for name, allowed in wanted.items())
        ]
        if kind == "ScalingActivity":
            found.sort(key=lambda document: document["StartTime"], reverse=True)
        return {key: found}


def _filed(params: Document) -> str:
    """A policy or action is one by its name and its target."""
    return f"{params.get('PolicyName') or params.get('ScheduledActionName')}|{target_key(params)}"
