"""Trails: what a template says of one, and what is checked before one is made or changed."""

import json
from collections.abc import Mapping
from typing import Any

from local import joints, joints_cloudformation, joints_cloudtrail
from local.cloudformation import Properties, Provisioned, authority, tags
from local.cloudtrail import delivery, selection
from local.cloudtrail.digest import Digests
from local.joints_cloudformation import ResourceType
from local.joints_cloudtrail import Trail
from local.json_service import AwsError
from local.records import Scope
from local.shapes import ShapeError, coerced, validate

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
NAME_LENGTH = 128
SERVICE = "cloudtrail"
# What a template says in the words of CreateTrail, and what by other calls.
CREATED = {
    "S3BucketName": "S3BucketName",
    "S3KeyPrefix": "S3KeyPrefix",
    "KMSKeyId": "KmsKeyId",
    "EnableLogFileValidation": "EnableLogFileValidation",
    "IncludeGlobalServiceEvents": "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail": "IsMultiRegionTrail",
}
OTHERWISE = ("TrailName", "IsLogging", "EventSelectors", "Tags")
DEFAULT = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]


def install(digests: Digests) -> None:
    """In front of MiniStack's operations, by whichever way they are called."""
    known = joints_cloudtrail.operations()
    create, update, select, status = (
        known[name] for name in ("CreateTrail", "UpdateTrail", "PutEventSelectors", "GetTrailStatus")
    )
    known["CreateTrail"] = lambda body: _refused(body) or _unwritable(body) or create(body)
    known["UpdateTrail"] = lambda body: _refused(body) or _unwritable(body) or update(body)
    known["PutEventSelectors"] = lambda body: _unselectable(body) or select(body)
    known["GetTrailStatus"] = lambda body: _told(body, status(body))
    known["ListPublicKeys"] = digests.public_keys


def resource_type() -> ResourceType:
    return ResourceType(_create, _update, _delete, ("TrailName",), name_property="TrailName", tagged=True)


# --- in front of MiniStack's operations ------------------------------------------------------------------------------


def _refused(body: Mapping[str, Foreign]) -> Foreign:
    without_effect = [
        name
        for name in ("SnsTopicName", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "IsOrganizationTrail")
        if body.get(name)
    ]
    if not without_effect:
        return None
    return _error(
        "ValidationException", f"{', '.join(without_effect)} of a trail is not available in the embedded AWS."
    )


def _unwritable(body: Mapping[str, Foreign]) -> Foreign:
    place = Scope(joints.account(), joints.current_region())
    name = str(body.get("Name", "")).rsplit("/", 1)[-1]
    arn = f"arn:aws:cloudtrail:{place.region}:{place.account}:trail/{name}"
    known = joints_cloudtrail.trail(arn) or {}
    wanted = {key: body.get(key, known.get(key, "")) for key in ("S3BucketName", "S3KeyPrefix", "KmsKeyId")}
    try:
        delivery.check(Trail(place, {**wanted, "TrailARN": arn}, []))
    except delivery.NotDelivered as error:
        return _error(error.code, error.message)
    return None


def _unselectable(body: Mapping[str, Foreign]) -> Foreign:
    kinds = {one.get("Type") for each in body.get("EventSelectors") or [] for one in each.get("DataResources") or []}
    others = sorted(str(kind) for kind in kinds - {selection.OBJECT})
    if body.get("AdvancedEventSelectors"):
        others.append("AdvancedEventSelectors")
    if not others:
        return None
    return _error("InvalidEventSelectorsException", f"{', '.join(others)} is not available in the embedded AWS.")


def _told(body: Mapping[str, Foreign], answer: Foreign) -> Foreign:
    """With what became of deliveries."""
    place = Scope(joints.account(), joints.current_region())
    given = str(body.get("Name", ""))
    known = next(
        (
            one.record
            for one in joints_cloudtrail.trails()
            if given in (one.arn, one.record["Name"]) and one.place == place
        ),
        {},
    )
    said = {key[1:]: value for key, value in known.items() if key.startswith("_Latest")}
    return _with(answer, said) if said else answer


def _with(answer: Foreign, more: Mapping[str, Foreign]) -> Foreign:
    status, headers, body = answer
    return status, headers, json.dumps({**json.loads(body), **more}).encode()


def _error(code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
    return 400, headers, json.dumps({"__type": code, "message": message}).encode()


# --- in a template ---------------------------------------------------------------------------------------------------


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    _refuse_unknown(properties)
    name = properties.get("TrailName") or joints_cloudformation.physical_name(stack, logical_id, NAME_LENGTH)
    arn = _call("CreateTrail", name, _params(properties))["TrailARN"]
    _settle(name, {}, properties)
    return name, {"Arn": arn}


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    _refuse_unknown(new)
    emptied = {CREATED[key]: "" for key in ("S3KeyPrefix", "KMSKeyId") if key in old and key not in new}
    arn = _call("UpdateTrail", physical_id, {**emptied, **_params(new)})["TrailARN"]
    _settle(physical_id, old, new)
    return physical_id, {"Arn": arn}


def _delete(physical_id: str, properties: Properties) -> None:
    place = Scope(joints.account(), joints.current_region())
    if any(one.record["Name"] == physical_id and one.place == place for one in joints_cloudtrail.trails()):
        _call("DeleteTrail", physical_id, {})


def _refuse_unknown(properties: Properties) -> None:
    unknown = sorted(set(properties) - {*CREATED, *OTHERWISE})
    if unknown:
        raise AwsError("ValidationException", f"{', '.join(unknown)} of a trail is not available in the embedded AWS.")


def _params(properties: Properties) -> dict[str, Any]:
    return {call: properties[name] for name, call in CREATED.items() if name in properties}


def _settle(name: str, old: Properties, new: Properties) -> None:
    """What a template says of a trail in one go, and the API by calls of their own."""
    _call("PutEventSelectors", name, {"EventSelectors": new.get("EventSelectors") or DEFAULT}, key="TrailName")
    logs = str(new.get("IsLogging", True)).lower() == "true"
    _call("StartLogging" if logs else "StopLogging", name, {})
    before, after = tags(old), tags(new)
    gone = [{"Key": key, "Value": before[key]} for key in sorted(set(before) - set(after))]
    if gone:
        _call("RemoveTags", _arn(name), {"TagsList": gone}, key="ResourceId")
    if after and after != before:
        listed = [{"Key": key, "Value": value} for key, value in after.items()]
        _call("AddTags", _arn(name), {"TagsList": listed}, key="ResourceId")


def _arn(name: str) -> str:
    return f"arn:aws:cloudtrail:{joints.current_region()}:{joints.account()}:trail/{name}"


def _call(operation: str, name: str, params: dict[str, Any], key: str = "Name") -> dict[str, Any]:
    place = Scope(joints.account(), joints.current_region())
    given = coerced(SERVICE, operation, {key: name, **params})
    authority().require(f"cloudtrail:{operation}", name if name.startswith("arn:") else _arn(name))
    try:
        validate(SERVICE, operation, {one: value for one, value in given.items() if value != ""})
        return joints_cloudtrail.cloudtrail(place, operation, given)
    except ShapeError as error:
        raise AwsError("ValidationException", f"{operation}: {error}.") from error
    except ValueError as error:
        code, _, message = str(error).partition(": ")
        raise AwsError(code, message) from error
