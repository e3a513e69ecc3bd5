"""What an event says: which data set's manifest arrived, and in which version. Nothing of it is trusted as it comes."""

import hashlib
import re
from dataclasses import dataclass

from .refusal import Refusal

# A data set's name travels into S3 prefixes and into the run's display name.
KEY = re.compile(r"dataset/(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)/manifest\.json")
LONGEST_NAME = 60
SHOWN = 100


@dataclass(frozen=True)
class Arrival:
    bucket: str
    key: str
    name: str
    version: str
    """The object's version, or what else tells one arrival of a key from the next."""

    @property
    def prefix(self) -> str:
        return f"dataset/{self.name}"

    @property
    def token(self) -> str:
        """The same arrival has the same token however often its event comes, so that it starts one run."""
        return hashlib.sha256("\n".join((self.bucket, self.key, self.version)).encode()).hexdigest()


def read_event(event: object, bucket: str) -> Arrival:
    """EventBridge's "Object Created" as an arrival, or the refusal that says what is wrong with it."""
    detail = _mapping(event, "detail")
    place, thing = _mapping(detail, "bucket"), _mapping(detail, "object")
    found, key = place.get("name"), thing.get("key")
    if found != bucket:
        raise Refusal(f"The event is of the bucket {_shown(found)}, and this function takes data from {bucket} alone.")
    match = KEY.fullmatch(key) if isinstance(key, str) else None
    if match is None or len(match["name"]) > LONGEST_NAME:
        raise Refusal(
            f"The object {_shown(key)} is no data set's manifest: it must be dataset/NAME/manifest.json, NAME of at "
            f"most {LONGEST_NAME} lower-case letters, digits and single hyphens between them."
        )
    version = thing.get("version-id") or thing.get("sequencer") or thing.get("etag")
    if not isinstance(version, str):
        raise Refusal(
            f"The event for {key} tells no version, sequencer or etag of the object, so that it cannot be told apart."
        )
    return Arrival(bucket, match[0], match["name"], version)


def _mapping(event: object, key: str) -> dict[str, object]:
    found = event.get(key) if isinstance(event, dict) else None
    if not isinstance(found, dict):
        raise Refusal(f'The event has no "{key}"; this function takes S3\'s "Object Created" from EventBridge.')
    return found


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
