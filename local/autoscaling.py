"""Application Auto Scaling's API: scalable targets, policies and scheduled actions, kept and described.

They do not act yet; `local.inert` says so to whoever asks.
"""

import functools
import uuid
from collections.abc import Callable

from local.json_service import AwsError, Call, JsonService, Operation, now
from local.records import Document, Scope

NAMESPACES = {"sagemaker": "SageMakerEndpoint", "lambda": "LambdaConcurrency"}
# Whether the resource that a target names exists; asked at registration.
Exists = Callable[[Scope, str, str], bool]


def target_key(params: Document) -> str:
    """How CloudFormation refers to a target, and how it is filed."""
    return "|".join((params["ResourceId"], params["ScalableDimension"], params["ServiceNamespace"]))


def is_scaled(service: JsonService, scope: Scope, endpoint: str, variant: str) -> bool:
    key = f"endpoint/{endpoint}/variant/{variant}|sagemaker:variant:DesiredInstanceCount|sagemaker"
    return service.records.get(scope, "ScalableTarget", key) is not None


class Autoscaling:
    """The operations over one store."""

    def __init__(self, exists: Exists) -> None:
        self.exists = exists
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
        if namespace not in NAMESPACES:
            raise AwsError("ValidationException", f"Namespace {namespace} is not available in the embedded AWS.")
        document = {**(existing or {}), **{name: value for name, value in params.items() if name != "Tags"}}
        for name in ("MinCapacity", "MaxCapacity"):
            if name not in document:
                raise AwsError("ValidationException", f"{name} is required to register a new scalable target.")
        if document["MinCapacity"] > document["MaxCapacity"]:
            raise AwsError("ValidationException", "Maximum capacity cannot be less than minimum capacity.")
        if not self.exists(call.scope, namespace, params["ResourceId"]):
            raise AwsError("ValidationException", f"{namespace} has no {params['ResourceId']} to scale.")
        identity = uuid.uuid4().hex
        role = f"{namespace}.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling"
        document.setdefault("CreationTime", now())
        document.setdefault("RoleARN", f"arn:aws:iam::{call.scope.account}:role/aws-service-role/{role}")
        document.setdefault(
            "ScalableTargetARN",
            f"arn:aws:application-autoscaling:{call.scope.region}:{call.scope.account}:scalable-target/{identity}",
        )
        document.setdefault(
            "SuspendedState",
            {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
        )
        self.service.records.put(call.scope, "ScalableTarget", key, document)
        return document

    def _deregister(self, call: Call) -> Document:
        key = self._registered(call)
        self.service.records.remove(call.scope, "ScalableTarget", key)
        for kind in ("ScalingPolicy", "ScheduledAction"):
            for document in self.service.records.all(call.scope, kind):
                if target_key(document) == key:
                    self.service.records.remove(call.scope, kind, _filed(document))
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
        document = {"Alarms": [], "CreationTime": now(), **existing, **call.params}
        document.setdefault("PolicyType", "StepScaling")
        document.setdefault(
            "PolicyARN",
            f"arn:aws:autoscaling:{call.scope.region}:{call.scope.account}:scalingPolicy:{uuid.uuid4()}:{where}:{policy}",
        )
        self.service.records.put(call.scope, "ScalingPolicy", _filed(call.params), document)
        return document

    def _delete_policy(self, call: Call) -> Document:
        return self._drop(call, "ScalingPolicy")

    def _put_action(self, call: Call) -> Document:
        self._registered(call)
        params = {"CreationTime": now(), **call.params}
        where = f"resource/{params['ServiceNamespace']}/{params['ResourceId']}"
        params["ScheduledActionARN"] = (
            f"arn:aws:autoscaling:{call.scope.region}:{call.scope.account}:scheduledAction:{uuid.uuid4()}:{where}"
            f":scheduledActionName/{params['ScheduledActionName']}"
        )
        self.service.records.put(call.scope, "ScheduledAction", _filed(params), params)
        return {}

    def _delete_action(self, call: Call) -> Document:
        return self._drop(call, "ScheduledAction")

    def _drop(self, call: Call, kind: str) -> Document:
        if self.service.records.get(call.scope, kind, _filed(call.params)) is None:
            raise AwsError("ObjectNotFoundException", f"No {kind} found for {_filed(call.params)}.")
        self.service.records.remove(call.scope, kind, _filed(call.params))
        return {}

    def _describe(self, kind: str, key: str, call: Call) -> Document:
        params = call.params
        wanted = set(params.get("ResourceIds", []) or ([params["ResourceId"]] if params.get("ResourceId") else []))
        return {
            key: [
                document
                for document in self.service.records.all(call.scope, kind)
                if document["ServiceNamespace"] == params["ServiceNamespace"]
                and (not wanted or document["ResourceId"] in wanted)
                and params.get("ScalableDimension") in (None, document["ScalableDimension"])
            ]
        }


def _filed(params: Document) -> str:
    """A policy or action is one by its name and its target."""
    return f"{params.get('PolicyName') or params.get('ScheduledActionName')}|{target_key(params)}"
