"""Every call that MiniStack answers, recorded for LookupEvents and for the trails that want it.

What a service does in this process for a caller (CloudFormation's types, KMS behind S3) is no call, and on no record.
"""

import asyncio
import contextvars
import json
import logging
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local import joints, joints_cloudtrail, joints_s3
from local.cloudtrail import delivery, selection
from local.cloudtrail.digest import Digests
from local.cloudtrail.events import Event, Request, event_of
from local.records import Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
LOOKUP_LIMIT = 1000
WAITING_LIMIT = 50_000
# Beyond this CloudTrail begins another file.
FILE_RECORDS = 5000
logger = logging.getLogger("embedded-aws.cloudtrail")
# Whom MiniStack takes the request under way for: finding that out takes it longer than all else here.
_service: contextvars.ContextVar[str] = contextvars.ContextVar("cloudtrail_service", default="")


class Recorder:
    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._waiting: dict[str, deque[Event]] = {}
        self._delivering = asyncio.Lock()

    def install(self) -> None:
        joints.wrap("app:detect_service", _note_the_service)
        joints.wrap("app:_dispatch_service_request", self._answer)
        joints.wrap("app:_handle_s3_vhost_request", self._answer_bucket)

    async def _answer(  # noqa: PLR0917 - MiniStack's signature
        self,
        original: Foreign,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Foreign],
        request_id: str,
    ) -> Foreign:
        token = _service.set("")
        try:
            answer = await original(method, path, headers, body, query, request_id)
            service = _service.get()
        finally:
            _service.reset(token)
        if service and not path.startswith("/_"):
            params = joints_cloudtrail.query_of(method, path, headers, body, query)
            self._see(service, method, path, headers, params, body, answer, request_id)
        return answer

    async def _answer_bucket(  # noqa: PLR0917 - MiniStack's signature
        self,
        original: Foreign,
        host: str,
        path: str,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Foreign],
    ) -> Foreign:
        answer = await original(host, path, method, headers, body, query)
        bucket = joints_s3.virtual_host_bucket(host) if answer else None
        if bucket:
            request_id = answer[1].get("x-amz-request-id", "")
            self._see("s3", method, f"/{bucket}{path}", headers, query, body, answer, request_id)
        return answer

    def _see(  # noqa: PLR0917 - a request and its answer
        self,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, Foreign],
        body: bytes,
        answer: Foreign,
        request_id: str,
    ) -> None:
        try:
            place = Scope(joints.account(), joints.region(headers, query))
            key = joints.access_key(headers, query)
            name = joints_cloudtrail.iam_name(service, method, path, headers, body, query)
            status, answered, said = answer
            request = Request(
                *(service, method, path, headers, query, body, status, answered, said, name, place.region),
                account=place.account,
                request_id=request_id,
            )
            trails = [one for one in joints_cloudtrail.trails() if one.place.account == place.account]
            with_data = any(selector.get("DataResources") for one in trails for selector in one.selectors)
            event = event_of(request, lambda: joints_s3.caller(key), datetime.now(UTC), with_data=with_data)
            if event is not None:
                self._keep(place, trails, event)
        except Exception:
            # A record is never worth a request.
            logger.exception("a call of %s is not recorded", service)

    def _keep(self, place: Scope, trails: list[joints_cloudtrail.Trail], event: Event) -> None:
        if not event.data:
            joints_cloudtrail.remember(place, _lookup_entry(event), LOOKUP_LIMIT)
        for trail in trails:
            if selection.wanted(event, trail.record, trail.selectors):
                waiting = self._waiting.setdefault(trail.arn, deque())
                if len(waiting) < WAITING_LIMIT:
                    waiting.append(event)

    async def deliver(self) -> None:
        """What came since the last time, on the loop, where S3's own requests run."""
        async with self._delivering:
            now = datetime.now(UTC)
            for trail in joints_cloudtrail.trails():
                waiting = self._waiting.pop(trail.arn, deque())
                while waiting:
                    events = [waiting.popleft() for _ in range(min(len(waiting), FILE_RECORDS))]
                    self._deliver(trail, events, now)
                self._digests.close(trail, now)
            # What a deleted trail had not delivered yet goes with it.
            self._waiting = {arn: kept for arn, kept in self._waiting.items() if joints_cloudtrail.trail(arn)}

    def _deliver(self, trail: joints_cloudtrail.Trail, events: list[Event], now: datetime) -> None:
        try:
            file = delivery.deliver(trail, events, now)
        except delivery.NotDelivered as error:
            if trail.record.get("_LatestDeliveryError") != error.code:
                logger.warning("%s: %d records are lost: %s", trail.arn, len(events), error.message)
            trail.record["_LatestDeliveryError"] = error.code
            return
        trail.record.pop("_LatestDeliveryError", None)
        trail.record["_LatestDeliveryTime"] = now.timestamp()
        self._digests.note(trail, file)


def _note_the_service(original: Foreign, *request: Foreign) -> Foreign:
    found = original(*request)
    _service.set(found)
    return found


def _lookup_entry(event: Event) -> dict[str, Any]:
    """As MiniStack's LookupEvents answers it."""
    record, who = event.record, event.record["userIdentity"]
    issuer = who.get("sessionContext", {}).get("sessionIssuer", {})
    session = str(who.get("arn", "")).rsplit("/", 1)[-1] if issuer else ""
    parameters = record["requestParameters"] or {}
    named = [(key, value) for key, value in parameters.items() if key.endswith("Name") and isinstance(value, str)]
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "EventTime": event.at,
        "Username": session or who.get("userName") or ("root" if who["type"] == "Root" else ""),
        "AccessKeyId": who.get("accessKeyId", ""),
        "ReadOnly": str(record["readOnly"]).lower(),
        "Resources": [{"ResourceName": value, "ResourceType": key.removesuffix("Name")} for key, value in named],
        "CloudTrailEvent": json.dumps(record),
    }
