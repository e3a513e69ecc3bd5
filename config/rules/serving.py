"""Instances, their storage and their scaling."""

from collections.abc import Iterator

from config.instances import BURSTABLE_FAMILIES, NVME_FAMILIES, family
from config.rules.table import Finding, rule
from config.sections.serving import Serving


@rule("serving")
def instances_lie_within_scaling(serving: Serving) -> Iterator[Finding]:
    scaling = serving.scaling
    if scaling.min_instances > scaling.max_instances:
        message = f"is above serving.scaling.max_instances = {scaling.max_instances}; raise the one or lower the other"
        yield Finding("serving.scaling.min_instances", scaling.min_instances, message)
    elif scaling.enabled and not scaling.min_instances <= serving.instance_count <= scaling.max_instances:
        span = f"{scaling.min_instances} to {scaling.max_instances}"
        yield Finding(
            "serving.instance_count", serving.instance_count, f"lies outside the scaling range; choose {span}"
        )


@rule("serving")
def burstable_types_cannot_scale(serving: Serving) -> Iterator[Finding]:
    if serving.scaling.enabled and family(serving.instance_type) in BURSTABLE_FAMILIES:
        message = "burstable types cannot autoscale; choose ml.m5.large or set serving.scaling.enabled = false"
        yield Finding("serving.instance_type", serving.instance_type, message)


@rule("serving")
def nvme_storage_stays_outside_the_key(serving: Serving) -> Iterator[Finding]:
    if serving.encrypt_volume and family(serving.instance_type) in NVME_FAMILIES:
        message = f"{serving.instance_type} keeps data on local NVMe storage, which this stage's key does not cover"
        yield Finding("serving.encrypt_volume", True, message, refused=False)
