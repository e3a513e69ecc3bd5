"""What an event says: which objects arrived, in which versions. Nothing of it is trusted as it comes."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from .refusal import Refusal

PREFIX = "dataset"
# A data set's name travels into S3 prefixes and into the run's display name.
NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
KEY = re.compile(rf"{PREFIX}/(?P<name>{NAME})/manifest\.json")
FILE = re.compile(rf"{PREFIX}/(?P<name>{NAME})/(?P<file>.+)", re.DOTALL)
LONGEST_NAME = 60
SHOWN = 100


@dataclass(frozen=True)
class Arrival:
    bucket: str
    key: str
    name: str
    """The data set that it belongs to."""
    version: str | None
    """None in a bucket that keeps no versions."""

    @property
    def is_manifest(self) -> bool:
        return KEY.fullmatch(self.key) is not None

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.name}"


@dataclass(frozen=True)
class Kept:
    """An event that failed before and comes back from the queue, with the id by which that knows it."""

    id: str
    event: object


def read_kept(event: object) -> list[Kept] | None:
    """The events in a batch of the queue's messages, as Lambda or EventBridge left them; None for any other event."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or not records:
        return None
    if not all(isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records):
        return None
    return [Kept(str(record.get("messageId")), _unpacked(record.get("body"))) for record in records]


def _unpacked(body: object) -> object:
    try:
        document = json.loads(str(body))
    except (ValueError, RecursionError):
        return None
    # A destination's record holds the event beside what became of it.
    return document.get("requestPayload", document) if isinstance(document, dict) else None


def read_event(event: object, bucket: str) -> list[Arrival | Refusal]:
    """EventBridge's "Object Created" or S3's own notification; for each object an arrival, or what is wrong with it."""
    return [_read(place, thing, bucket) for place, thing in _objects(event)]


def _objects(event: object) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list):
        for record in records:
            found = _mapping(record, "s3")
            thing = _mapping(found, "object")
            # As in a form: a plus is a blank. EventBridge has keys as they are.
            plain = urllib.parse.unquote_plus(str(thing.get("key")), errors="replace")
            yield _mapping(found, "bucket"), {"key": plain, "version-id": thing.get("versionId")}
        return
    detail = _mapping(event, "detail")
    yield _mapping(detail, "bucket"), _mapping(detail, "object")


def _read(place: dict[str, object], thing: dict[str, object], bucket: str) -> Arrival | Refusal:
    found, key, version = place.get("name"), thing.get("key"), thing.get("version-id")
    if found != bucket:
        return Refusal(f"The event is of the bucket {_shown(found)}, and this function takes data from {bucket} alone.")
    match = FILE.fullmatch(key) if isinstance(key, str) else None
    if match is None or len(match["name"]) > LONGEST_NAME:
        return Refusal(
            f"The object {_shown(key)} is of no data set: it must lie below {PREFIX}/NAME/, NAME of at most "
            f"{LONGEST_NAME} lower-case letters, digits and single hyphens between them."
        )
    return Arrival(bucket, match[0], match["name"], version if isinstance(version, str) and version else None)


def _mapping(event: object, key: str) -> dict[str, object]:
    found = event.get(key) if isinstance(event, dict) else None
    if not isinstance(found, dict):
        raise Refusal(
            f'The event has no "{key}"; this function takes S3\'s "Object Created" from EventBridge, or S3\'s own.'
        )
    return found


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
