"""Whether a trail wants an event: its region, its logging, its event selectors."""

from collections.abc import Iterable, Mapping
from typing import Any

from local.cloudtrail.events import Event

# Services without regions; a trail has their events where it includes global ones.
GLOBAL = ("iam.amazonaws.com", "sts.amazonaws.com", "cloudfront.amazonaws.com")
GLOBAL_REGION = "us-east-1"
OBJECT = "AWS::S3::Object"


def wanted(event: Event, trail: Mapping[str, Any], selectors: Iterable[Mapping[str, Any]]) -> bool:
    return bool(trail.get("IsLogging")) and _in_region(event, trail) and any(_fits(event, one) for one in selectors)


def _in_region(event: Event, trail: Mapping[str, Any]) -> bool:
    if event.record["eventSource"] in GLOBAL:
        included = trail.get("IncludeGlobalServiceEvents", True)
        return bool(included and (trail.get("IsMultiRegionTrail") or trail["HomeRegion"] == GLOBAL_REGION))
    return bool(trail.get("IsMultiRegionTrail")) or event.record["awsRegion"] == trail["HomeRegion"]


def _fits(event: Event, selector: Mapping[str, Any]) -> bool:
    kind = selector.get("ReadWriteType", "All")
    if (kind == "ReadOnly" and not event.reads) or (kind == "WriteOnly" and event.reads):
        return False
    if event.data:
        return any(
            event.resource.startswith(prefix)
            for one in selector.get("DataResources") or []
            if one["Type"] == OBJECT
            for prefix in one.get("Values") or []
        )
    excluded = selector.get("ExcludeManagementEventSources") or []
    return bool(selector.get("IncludeManagementEvents", True)) and event.record["eventSource"] not in excluded
