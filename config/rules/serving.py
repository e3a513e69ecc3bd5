"""Instances, their storage and their scaling."""

from collections.abc import Iterator

from config.instances import BURSTABLE_FAMILIES, HOSTED_TYPES, NVME_FAMILIES, family
from config.rules.table import Finding, rule
from config.sections.scaling import Scaling
from config.sections.serving import Serving


def instance_types(serving: Serving) -> Iterator[tuple[str, str]]:
    """Every instance type that the endpoint runs on, with the key that says so."""
    if serving.mode != "serverless":
        yield "serving.instance_type", serving.instance_type
    for number, variant in enumerate(serving.variants):
        if variant.instance_type is not None:
            yield f"serving.variants.{number}.instance_type", variant.instance_type
    if serving.shadow is not None and serving.shadow.instance_type is not None:
        yield "serving.shadow.instance_type", serving.shadow.instance_type


@rule("serving")
def types_are_hosted(serving: Serving) -> Iterator[Finding]:
    for key, kind in instance_types(serving):
        if kind not in HOSTED_TYPES:
            yield Finding(key, kind, "is no type that SageMaker hosts endpoints on; choose ml.m5.large")


@rule("serving")
def instances_lie_within_scaling(serving: Serving) -> Iterator[Finding]:
    scaling = serving.scaling
    if scaling.min_instances > scaling.max_instances:
        message = f"is above serving.scaling.max_instances = {scaling.max_instances}; raise the one or lower the other"
        yield Finding("serving.scaling.min_instances", scaling.min_instances, message)
        return
    if serving.mode == "serverless" or not scaling.enabled:
        return
    span = f"{max(scaling.min_instances, 1)} to {scaling.max_instances}"
    counts = [("serving.instance_count", serving.instance_count)]
    counts += [(f"serving.variants.{n}.instance_count", one.instance_count) for n, one in enumerate(serving.variants)]
    for key, count in counts:
        if not scaling.min_instances <= count <= scaling.max_instances:
            yield Finding(key, count, f"lies outside the scaling range; choose {span}")


@rule("serving")
def burstable_types_cannot_scale(serving: Serving) -> Iterator[Finding]:
    if not serving.scaling.enabled:
        return
    for key, kind in instance_types(serving):
        # A shadow has a fixed fleet.
        if family(kind) in BURSTABLE_FAMILIES and not key.startswith("serving.shadow"):
            message = "burstable types cannot autoscale; choose ml.m5.large or set serving.scaling.enabled = false"
            yield Finding(key, kind, message)


@rule("serving")
def nvme_storage_stays_outside_the_key(serving: Serving) -> Iterator[Finding]:
    uncovered = sorted({kind for _, kind in instance_types(serving) if family(kind) in NVME_FAMILIES})
    if serving.encrypt_volume and uncovered:
        keeps = "keeps" if len(uncovered) == 1 else "keep"
        message = f"{', '.join(uncovered)} {keeps} data on local NVMe storage, which this stage's key does not cover"
        yield Finding("serving.encrypt_volume", True, message, refused=False)


@rule("serving")
def the_metric_has_its_target(serving: Serving) -> Iterator[Finding]:
    scaling = serving.scaling
    if not scaling.enabled or serving.mode != "realtime":
        return
    if scaling.metric == "invocations" and scaling.target_invocations_per_minute is None:
        message = (
            "needs serving.scaling.target_invocations_per_minute; set it to what one instance can do a minute x 0.5"
        )
        yield Finding("serving.scaling.metric", scaling.metric, message)
    if scaling.metric == "concurrency" and scaling.target_concurrent_requests is None:
        message = "needs serving.scaling.target_concurrent_requests; set it to what one instance can work on at once"
        yield Finding("serving.scaling.metric", scaling.metric, message)


@rule("serving")
def schedules_are_possible(serving: Serving) -> Iterator[Finding]:
    scaling = serving.scaling
    if scaling.schedule and not scaling.enabled:
        message = "has no effect on a fixed fleet; remove it or set serving.scaling.enabled = true"
        yield Finding("serving.scaling.schedule", [one.name for one in scaling.schedule], message)
    yield from _schedule_bounds(serving.mode, scaling)


def _schedule_bounds(mode: str, scaling: Scaling) -> Iterator[Finding]:
    seen = set()
    for number, one in enumerate(scaling.schedule):
        key = f"serving.scaling.schedule.{number}"
        if one.name in seen:
            yield Finding(f"{key}.name", one.name, "names two schedules; rename one")
        seen.add(one.name)
        if one.min_instances > one.max_instances:
            message = f"is above {key}.max_instances = {one.max_instances}; raise the one or lower the other"
            yield Finding(f"{key}.min_instances", one.min_instances, message)
        if one.min_instances == 0 and mode != "async":
            message = 'only mode "async" can sleep and wake; set it to 1 or more'
            yield Finding(f"{key}.min_instances", 0, message)


@rule("serving")
def an_update_fits_the_quota(serving: Serving) -> Iterator[Finding]:
    """Blue/green runs the old and the new fleet side by side; a rolling update one batch more than the fleet."""
    quota, rollout = serving.instance_quota, serving.rollout
    if quota is None or serving.mode == "serverless":
        return
    fleet = serving.scaling.max_instances if serving.scaling.enabled else serving.instance_count
    extra, how = fleet, "runs the old and the new fleet side by side"
    if rollout is not None and rollout.kind == "rolling":
        extra, how = max(1, -(-fleet * (rollout.step_percent or 0) // 100)), "adds a batch of new instances first"
    if fleet + extra > quota:
        message = (
            f"an update {how}, up to {fleet + extra} instances; have the quota raised, or choose a smaller fleet"
            + ("" if rollout is not None and rollout.kind == "rolling" else ' or serving.rollout.kind = "rolling"')
        )
        yield Finding("serving.instance_quota", quota, message, refused=False)
