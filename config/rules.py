"""What goes with what: rules that concern more than one key of a stage file.

Each yields faults (the stage cannot work) or warnings (it works, but likely not as meant). A rule names the sections
that it reads; it is skipped while one of them does not even have the right shape.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from config.model import Api, Image, Section, Serving, Stage
from config.registries import ecr_repository

GATEWAY_TIMEOUT_SECONDS = 30
BURSTABLE = ("ml.t2.", "ml.t3.")
# Hosting families with local NVMe storage, which a volume key does not cover.
NVME_FAMILIES = {
    *("m5d", "c5d", "r5d", "m6gd", "c6gd", "r6gd", "r7gd", "g4dn", "g5", "g6", "g6e", "p4d", "p4de"),
    *("p5", "p5e", "p5en", "trn1", "trn1n"),
}
# Graviton: c6g, m7gd, r8g ... but not g5, which starts with its g.
ARM_FAMILY = re.compile(r"[a-z]+[0-9]+g[dn]*")
LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Finding:
    key: str
    value: object
    message: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{self.key} = {toml(self.value)}: {self.message}"


Rule = tuple[tuple[str, ...], Callable[..., Iterator[Finding]]]
RULES: list[Rule] = []


def rule(*sections: str) -> Callable[[Callable[..., Iterator[Finding]]], Callable[..., Iterator[Finding]]]:
    def register(check: Callable[..., Iterator[Finding]]) -> Callable[..., Iterator[Finding]]:
        RULES.append((sections, check))
        return check

    return register


def check(sections: dict[str, Section]) -> list[Finding]:
    """Apply every rule whose sections are all at hand."""
    return [
        finding
        for needed, test in RULES
        if all(name in sections for name in needed)
        for finding in test(*(sections[name] for name in needed))
    ]


@rule("image")
def image_has_one_source(image: Image) -> Iterator[Finding]:
    if image.source == "uri" and image.uri is None:
        yield Finding("image.source", "uri", 'needs image.uri; set it, or choose "codebuild" to have the image built')
    if image.source != "uri" and image.uri is not None:
        yield Finding(
            "image.uri", image.uri, f'is not used with source "{image.source}"; remove it or set source = "uri"'
        )
    if image.uri is not None and image.uri.endswith(":latest"):
        yield Finding("image.uri", image.uri, "moves under a running endpoint; pin it by digest as ...@sha256:...")


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


@rule("stage", "image")
def image_lies_in_the_registry_of_its_region(stage: Stage, image: Image) -> Iterator[Finding]:
    if image.source != "uri" or image.uri is None:
        return
    try:
        found = ecr_repository(image.uri)
    except ValueError:
        message = (
            "names no image in ECR, and hosting pulls from nowhere else; push it there and name it as "
            f"ACCOUNT.dkr.ecr.{stage.region}.amazonaws.com/NAME@sha256:..."
        )
        yield Finding("image.uri", image.uri, message)
        return
    if found.region != stage.region:
        message = (
            f'lies in {found.region}, and hosting pulls in its own region, stage.region = "{stage.region}"; copy it'
        )
        yield Finding("image.uri", image.uri, message)


@rule("image", "serving")
def built_images_run_on_x86(image: Image, serving: Serving) -> Iterator[Finding]:
    if image.source != "uri" and ARM_FAMILY.fullmatch(serving.instance_type.split(".")[1]):
        message = (
            "is an Arm type, and the image is built for x86-64; choose ml.m5.large, or give an Arm image with "
            'image.source = "uri"'
        )
        yield Finding("serving.instance_type", serving.instance_type, message)


@rule("serving")
def burstable_types_cannot_scale(serving: Serving) -> Iterator[Finding]:
    if serving.scaling.enabled and serving.instance_type.startswith(BURSTABLE):
        message = "burstable types cannot autoscale; choose ml.m5.large or set serving.scaling.enabled = false"
        yield Finding("serving.instance_type", serving.instance_type, message)


@rule("serving")
def nvme_storage_stays_outside_the_key(serving: Serving) -> Iterator[Finding]:
    family = serving.instance_type.split(".")[1]
    if serving.encrypt_volume and family in NVME_FAMILIES:
        message = f"{serving.instance_type} keeps data on local NVMe storage, which this stage's key does not cover"
        yield Finding("serving.encrypt_volume", True, message, refused=False)


@rule("api")
def timeouts_are_ordered(api: Api) -> Iterator[Finding]:
    """A limit further in must end first, or the caller gets the outer one's mute error."""
    inner = api.fetch_timeout_seconds + api.invoke_timeout_seconds
    if inner >= api.timeout_seconds:
        message = (
            f"must exceed api.fetch_timeout_seconds + api.invoke_timeout_seconds = {inner}, since both happen "
            f"within it; raise it (below {GATEWAY_TIMEOUT_SECONDS}) or lower one of them"
        )
        yield Finding("api.timeout_seconds", api.timeout_seconds, message)


@rule("api")
def provisioned_lies_within_reserved(api: Api) -> Iterator[Finding]:
    own = api.concurrency
    if own.provisioned_min > own.provisioned_max:
        message = f"is above api.concurrency.provisioned_max = {own.provisioned_max}; raise the one or lower the other"
        yield Finding("api.concurrency.provisioned_min", own.provisioned_min, message)
    if own.reserved is not None and own.provisioned_max > own.reserved:
        message = f"is above api.concurrency.reserved = {own.reserved}, which Lambda refuses; lower it or raise that"
        yield Finding("api.concurrency.provisioned_max", own.provisioned_max, message)
    if own.provisioned_min == 0 and own.provisioned_max > 0:
        message = "has no effect while api.concurrency.provisioned_min = 0; set that to 1 or more, or this to 0"
        yield Finding("api.concurrency.provisioned_max", own.provisioned_max, message)


@rule("api")
def throttle_burst_is_not_far_above_its_rate(api: Api) -> Iterator[Finding]:
    if api.throttle_burst > 10 * api.throttle_requests_per_second:
        rate = api.throttle_requests_per_second
        message = f"is more than ten seconds of api.throttle_requests_per_second = {rate}; that will rarely apply"
        yield Finding("api.throttle_burst", api.throttle_burst, message, refused=False)


@rule("stage")
def protected_data_is_retained(stage: Stage) -> Iterator[Finding]:
    if stage.protect and not stage.retain_data:
        message = (
            "contradicts stage.protect = true, which says that the data matters; set it to true, or protect to false"
        )
        yield Finding("stage.retain_data", False, message)


def toml(value: object) -> str:
    """A value as it might stand in the file, on one line and not too long."""
    if isinstance(value, list):
        shown = f"[{', '.join(toml(inner) for inner in value)}]"
    elif isinstance(value, bool | str):
        shown = json.dumps(value, ensure_ascii=False)
    else:
        shown = str(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
