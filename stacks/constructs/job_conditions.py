"""How a job must be shaped for a role to be allowed to start it: as the stage file says."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_kms as kms

from config.sections.training import Training
from stacks.constructs.placement import Placement


def as_configured(
    config: Training, instance_type: str, key: kms.IKey, placement: Placement | None
) -> Mapping[str, Any]:
    alike: dict[str, Any] = {"sagemaker:InstanceTypes": [instance_type]}
    if placement is not None:
        alike["sagemaker:VpcSubnets"] = placement.subnet_ids
    conditions: dict[str, Any] = {
        "ForAllValues:StringEquals": alike,
        # What is not asked for at all would satisfy the line above.
        "Null": dict.fromkeys(alike, "false"),
        "Bool": {"sagemaker:NetworkIsolation": "true"},
    }
    if config.encrypt_volume:
        conditions["StringEquals"] = {"sagemaker:VolumeKmsKey": key.key_arn}
    return conditions
