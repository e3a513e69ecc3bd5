"""The endpoint as it serves now, and what is wrong with it."""

from dataclasses import dataclass
from typing import Any

from ops.stage import Stage

BUSY = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}


@dataclass(frozen=True)
class Fleet:
    """The instances of one variant."""

    variant: str
    instance_type: str | None
    """None for a serverless one."""
    current: int
    desired: int
    weight: float
    bounds: tuple[int, int] | None
    """Between which scaling moves it; None where it does not."""


@dataclass(frozen=True)
class Endpoint:
    name: str
    status: str
    version: str
    """Of the model, as the stack that made it says."""
    fleets: list[Fleet]
    ills: list[str]


def endpoint_of(stage: Stage) -> Endpoint:
    name = stage.output("serving", "EndpointName")
    sagemaker = stage.client("sagemaker")
    found = sagemaker.describe_endpoint(EndpointName=name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    types = {one["VariantName"]: one.get("InstanceType") for one in config["ProductionVariants"]}
    bounds = _bounds(stage, name)
    fleets = [_fleet(one, types, bounds) for one in found.get("ProductionVariants", [])]
    return Endpoint(
        name=name,
        status=found["EndpointStatus"],
        version=stage.outputs("serving").get("ModelVersion", ""),
        fleets=fleets,
        ills=[*_state_ills(stage, found), *_fleet_ills(fleets, found["EndpointStatus"])],
    )


def _fleet(found: dict[str, Any], types: dict[str, str | None], bounds: dict[str, tuple[int, int]]) -> Fleet:
    variant = found["VariantName"]
    return Fleet(
        variant=variant,
        instance_type=types.get(variant),
        current=found.get("CurrentInstanceCount", 0),
        desired=found.get("DesiredInstanceCount", 0),
        weight=found.get("CurrentWeight", 1.0),
        bounds=bounds.get(variant),
    )


def _bounds(stage: Stage, endpoint: str) -> dict[str, tuple[int, int]]:
    """Variant -> fewest and most instances."""
    pages = stage.client("application-autoscaling").get_paginator("describe_scalable_targets")
    prefix = f"endpoint/{endpoint}/variant/"
    return {
        target["ResourceId"].removeprefix(prefix): (target["MinCapacity"], target["MaxCapacity"])
        for target in pages.paginate(ServiceNamespace="sagemaker").search("ScalableTargets[]")
        if target and target["ResourceId"].startswith(prefix)
    }


def _state_ills(stage: Stage, found: dict[str, Any]) -> list[str]:
    name, status = found["EndpointName"], found["EndpointStatus"]
    if status in BUSY:
        return []
    if status != "InService":
        return [f"The endpoint {name} is {status}: {found.get('FailureReason', 'no reason is given')}"]
    wanted = [one.rsplit("/", 1)[-1] for one in stage.resources("serving", "AWS::SageMaker::EndpointConfig")]
    if wanted and found["EndpointConfigName"].lower() not in {one.lower() for one in wanted}:
        return [
            f"The endpoint {name} serves {found['EndpointConfigName']}, which is not what its stack says: SageMaker "
            "took the last update back. Put the former model in the stage file, or deploy again."
        ]
    return []


def _fleet_ills(fleets: list[Fleet], status: str) -> list[str]:
    return [
        f"Variant {one.variant} has {one.current} of {one.desired} instances: new ones take minutes; if that lasts, "
        "capacity or the quota of the type is short."
        for one in fleets
        if one.current < one.desired and status not in BUSY
    ]
