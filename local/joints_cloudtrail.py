"""Where this package reaches into MiniStack's CloudTrail; `local.joints` checks the places."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.joints import _module, scope
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "app:_dispatch_service_request": ("method", "path", "headers", "body", "query_params", "request_id"),
    "app:_handle_s3_vhost_request": ("host", "path", "method", "headers", "body", "query_params"),
    "app:_routing_params": ("method", "path", "headers", "body", "query_params"),
    "app:detect_service": ("method", "path", "headers", "query_params"),
    "services.cloudtrail:_create_trail": ("body",),
    "services.cloudtrail:_update_trail": ("body",),
    "services.cloudtrail:_put_event_selectors": ("body",),
    "services.cloudtrail:_get_trail_status": ("body",),
    "services.cloudtrail:_get_event_queue": (),
    "services.kms:_get_key_policy": ("data",),
    "services.s3:_put_object": ("bucket_name", "key", "body", "headers"),
}
ATTRIBUTES = (
    "services.cloudtrail:_trails",
    "services.cloudtrail:_DISPATCH",
    "services.cloudtrail:_event_selectors",
    "services.cloudtrail:_DEFAULT_EVENT_SELECTORS",
    "services.kms:_keys",
)


@dataclass(frozen=True)
class Trail:
    """A trail as MiniStack keeps it, with the event selectors that it has."""

    place: Scope
    record: dict[str, Any]
    selectors: list[dict[str, Any]]

    @property
    def arn(self) -> str:
        return str(self.record["TrailARN"])


def trails() -> list[Trail]:
    """Of every account and region."""
    service = _module("services.cloudtrail")
    default = service._DEFAULT_EVENT_SELECTORS
    return [
        Trail(
            Scope(account, region),
            record,
            service._event_selectors.get_scoped(account, region, name, default) or default,
        )
        for (account, region, name), record in list(service._trails._data.items())
    ]


def trail(arn: str) -> dict[str, Any] | None:
    return next((one.record for one in trails() if one.arn == arn), None)


def query_of(
    method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
) -> Mapping[str, Any]:
    """With the parameters that a form brings in its body."""
    found: Mapping[str, Any] = _module("app")._routing_params(method, path, headers, body, query)
    return found


def iam_name(  # noqa: PLR0917 - a request
    service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
) -> str:
    """The operation that IAM would be asked about, without its service; "" where MiniStack knows none."""
    found = _module("core.iam_actions").extract_iam_action(service, method, path, headers, body, query)
    return str(found or "").rpartition(":")[2]


def remember(place: Scope, entry: dict[str, Any], limit: int) -> None:
    """For LookupEvents: the newest `limit`."""
    with scope(place.account, place.region):
        queue = _module("services.cloudtrail")._get_event_queue()
        queue.append(entry)
        while len(queue) > limit:
            queue.popleft()


def cloudtrail(place: Scope, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One of MiniStack's calls; what it refuses is a ValueError."""
    with scope(place.account, place.region):
        status, _, body = _module("services.cloudtrail")._DISPATCH[operation](dict(params))
    said: dict[str, Any] = json.loads(body)
    if status >= 400:  # noqa: PLR2004 - HTTP
        raise ValueError(f"{said.get('__type', 'InternalError')}: {said.get('message', '')}")
    return said


def operations() -> dict[str, Any]:
    """MiniStack's table of CloudTrail's operations."""
    found: dict[str, Any] = _module("services.cloudtrail")._DISPATCH
    return found


def key_policy(key_arn: str) -> str | None:
    """None where there is no such key."""
    _, _, _, region, account, resource = key_arn.split(":", 5)
    with scope(account, region):
        kms = _module("services.kms")
        if resource.removeprefix("key/") not in kms._keys:
            return None
        _, _, body = kms._get_key_policy({"KeyId": key_arn})
    return str(json.loads(body).get("Policy", ""))


def put_file(bucket: str, key: str, body: bytes, headers: Mapping[str, str]) -> int:
    """As CloudTrail, which whoever calls this has found to be allowed. Returns the HTTP status."""
    status, _, _ = _module("services.s3")._put_object(bucket, key, body, dict(headers))
    return int(status)
