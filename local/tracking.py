"""A scaling policy's document: its arithmetic, and the CloudWatch alarms of one that tracks a target."""

import uuid
from typing import Any

from local.joints_cloudwatch import Alarm
from local.json_service import AwsError
from local.records import Document, Scope
from local.scaling.alarm import Threshold
from local.scaling.policy import Step, StepScaling, TargetTracking

COOLDOWN_SECONDS = {"sagemaker": 300, "lambda": 0}
STEP_COOLDOWN_SECONDS = 300
HIGH_RESOLUTION_SECONDS = 10
# Predefined metrics: namespace, name, statistic, period.
PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("AWS/SageMaker", "InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "AWS/SageMaker",
        "ConcurrentRequestsPerModel",
        "Average",
        HIGH_RESOLUTION_SECONDS,
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        "AWS/SageMaker",
        "ServerlessProvisionedConcurrencyUtilization",
        "Average",
        60,
    ),
    "LambdaProvisionedConcurrencyUtilization": ("AWS/Lambda", "ProvisionedConcurrencyUtilization", "Average", 60),
}


def arithmetic(document: Document) -> TargetTracking | StepScaling:
    if document["PolicyType"] == "TargetTrackingScaling":
        given = document["TargetTrackingScalingPolicyConfiguration"]
        otherwise = COOLDOWN_SECONDS[document["ServiceNamespace"]]
        return TargetTracking(
            float(given["TargetValue"]),
            given.get("ScaleOutCooldown", otherwise),
            given.get("ScaleInCooldown", otherwise),
            bool(given.get("DisableScaleIn")),
            _metric(document)["Period"],
        )
    given = document["StepScalingPolicyConfiguration"]
    steps = tuple(
        Step(one["ScalingAdjustment"], one.get("MetricIntervalLowerBound"), one.get("MetricIntervalUpperBound"))
        for one in given["StepAdjustments"]
    )
    return StepScaling(
        steps,
        given["AdjustmentType"],
        given.get("Cooldown", STEP_COOLDOWN_SECONDS),
        given.get("MinAdjustmentMagnitude", 0),
    )


def check(document: Document) -> None:
    """Whether the policy can be followed; what cannot is refused, not kept unheeded."""
    kind = document["PolicyType"]
    needed = {
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
        "StepScaling": "StepScalingPolicyConfiguration",
    }
    if kind not in needed:
        raise _invalid(f"A policy of type {kind} is not available in the embedded AWS.")
    given = document.get(needed[kind])
    if not given:
        raise _invalid(f"{needed[kind]} is required for a policy of type {kind}.")
    if kind == "TargetTrackingScaling":
        if not float(given["TargetValue"]) > 0:
            raise _invalid("TargetValue must be greater than 0.")
        _metric(document)
    elif not given.get("AdjustmentType") or not given.get("StepAdjustments"):
        raise _invalid("A step scaling policy needs AdjustmentType and at least one step adjustment.")


def alarms(scope: Scope, document: Document, policy: TargetTracking) -> list[Alarm]:
    """High and low, under the names that they were given before, else under new ones."""
    known = [one["AlarmName"] for one in document.get("Alarms", [])]
    found = []
    for index, (side, threshold) in enumerate((("High", policy.high), ("Low", policy.low))):
        name = known[index] if known else f"TargetTracking-{document['ResourceId']}-Alarm{side}-{uuid.uuid4()}"
        found.append(_alarm(scope, name, document, threshold))
    return found


def _alarm(scope: Scope, name: str, document: Document, threshold: Threshold) -> Alarm:
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:{scope.region}:{scope.account}:alarm:{name}",
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {document['PolicyARN']}.",
        **_metric(document),
        "ExtendedStatistic": None,
        "EvaluationPeriods": threshold.evaluation_periods,
        "Threshold": threshold.value,
        "ComparisonOperator": threshold.comparison,
        "TreatMissingData": threshold.missing,
        "ActionsEnabled": True,
        "AlarmActions": [document["PolicyARN"]],
        "OKActions": [],
        "InsufficientDataActions": [],
    }


def _metric(document: Document) -> dict[str, Any]:
    given = document["TargetTrackingScalingPolicyConfiguration"]
    own = given.get("CustomizedMetricSpecification")
    if own is not None:
        if own.get("Metrics") or not own.get("MetricName"):
            raise _invalid("A customized metric by metric math is not available in the embedded AWS.")
        return {
            "Namespace": own["Namespace"],
            "MetricName": own["MetricName"],
            "Dimensions": own.get("Dimensions", []),
            "Statistic": own["Statistic"],
            "Unit": own.get("Unit"),
            "Period": 60,
        }
    kind = (given.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType", "none")
    if kind not in PREDEFINED:
        raise _invalid(f"The predefined metric {kind} is not available in the embedded AWS.")
    namespace, name, statistic, period = PREDEFINED[kind]
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": _dimensions(document["ServiceNamespace"], document["ResourceId"]),
        "Statistic": statistic,
        "Unit": None,
        "Period": period,
    }


def _dimensions(namespace: str, resource_id: str) -> list[dict[str, str]]:
    if namespace == "lambda":
        _, function, qualifier = resource_id.split(":")
        return [{"Name": "FunctionName", "Value": function}, {"Name": "Resource", "Value": f"{function}:{qualifier}"}]
    _, endpoint, _, variant = resource_id.split("/")
    return [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
