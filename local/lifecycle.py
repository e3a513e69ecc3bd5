"""S3's lifecycle rules: what is due for one key, and the pass over every bucket that does it.

The clock is a parameter: a pass knows no time but the one that it is given.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from local import joints

Rule = Mapping[str, Any]
# A pass lets requests through after so many keys.
KEYS_AT_ONCE = 100


@dataclass(frozen=True)
class Version:
    """One version of a key, or its delete marker. Unversioned objects have the id "null", as S3 names them."""

    id: str
    modified: datetime
    size: int = 0
    marker: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Due:
    """`version` is to be removed for good; without one, the current object is to expire."""

    version: str | None


def due(rules: Iterable[Rule], key: str, versions: Sequence[Version], now: datetime) -> list[Due]:
    """What the enabled rules ask for one key whose versions come oldest first."""
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    *older, current = versions
    removed = [
        version
        for index, version in enumerate(older)
        if any(_noncurrent_is_over(rule, key, versions, index, now) for rule in enabled)
    ]
    found = [Due(version.id) for version in removed]
    if not current.marker:
        return found + [Due(None)] * any(_current_is_over(rule, key, current, now) for rule in enabled)
    alone = len(removed) == len(older)
    if alone and any(_marker_is_over(rule, key, current, now) for rule in enabled):
        found.append(Due(current.id))
    return found


def upload_is_over(rules: Iterable[Rule], key: str, begun: datetime, now: datetime) -> bool:
    return any(
        _passed(begun, rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], now)
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "AbortIncompleteMultipartUpload" in rule
        and key.startswith(_condition(rule).get("Prefix", ""))
    )


def _current_is_over(rule: Rule, key: str, current: Version, now: datetime) -> bool:
    expiration = rule.get("Expiration", {})
    if not _matches(rule, key, current):
        return False
    if "Date" in expiration:
        date = datetime.fromisoformat(expiration["Date"])
        return now >= (date if date.tzinfo else date.replace(tzinfo=UTC))
    return "Days" in expiration and _passed(current.modified, expiration["Days"], now)


def _marker_is_over(rule: Rule, key: str, marker: Version, now: datetime) -> bool:
    """Left alone by its versions. A rule with days for objects tidies markers of that age too."""
    expiration = rule.get("Expiration", {})
    if not _matches(rule, key, marker):
        return False
    if expiration.get("ExpiredObjectDeleteMarker"):
        return True
    return "Days" in expiration and _passed(marker.modified, expiration["Days"], now)


def _noncurrent_is_over(rule: Rule, key: str, versions: Sequence[Version], index: int, now: datetime) -> bool:
    expiration = rule.get("NoncurrentVersionExpiration", {})
    newer = len(versions) - 2 - index
    return (
        "NoncurrentDays" in expiration
        and newer >= expiration.get("NewerNoncurrentVersions", 0)
        and _matches(rule, key, versions[index])
        # Noncurrent since its successor came.
        and _passed(versions[index + 1].modified, expiration["NoncurrentDays"], now)
    )


def _passed(since: datetime, days: int, now: datetime) -> bool:
    """S3 counts to the midnight UTC after the days are over."""
    over = since.astimezone(UTC) + timedelta(days=days)
    midnight = datetime.combine(over.date(), time(), over.tzinfo)
    return now >= (midnight if midnight == over else midnight + timedelta(days=1))


def _condition(rule: Rule) -> Mapping[str, Any]:
    chosen = rule.get("Filter", {})
    return dict(chosen.get("And", chosen))


def _matches(rule: Rule, key: str, version: Version) -> bool:
    """Tags and sizes are an object's: a rule that asks for them passes delete markers by."""
    chosen = _condition(rule)
    tags = [*chosen.get("Tags", []), *([chosen["Tag"]] if "Tag" in chosen else [])]
    sized = {"ObjectSizeGreaterThan", "ObjectSizeLessThan"} & set(chosen)
    return (
        key.startswith(chosen.get("Prefix", ""))
        and not (version.marker and (tags or sized))
        and all(version.tags.get(tag["Key"]) == tag["Value"] for tag in tags)
        and version.size > chosen.get("ObjectSizeGreaterThan", -1)
        and version.size < chosen.get("ObjectSizeLessThan", version.size + 1)
    )


async def apply(now: datetime) -> None:
    """One pass over every bucket with rules. On the loop: no request sees a key half done."""
    for place in joints.lifecycle_buckets():
        for _ in _pass(place, now):
            await asyncio.sleep(0)


def _pass(place: joints.LifecycleBucket, now: datetime) -> Iterator[None]:
    """The bucket may change or go whenever this yields, so each key is looked at afresh."""
    for number, key in enumerate(joints.stored_keys(place)):
        versions = [
            Version(
                id=found["version_id"],
                modified=datetime.fromisoformat(found["last_modified"]),
                size=found["size"],
                marker=found["marker"],
                tags=found["tags"],
            )
            for found in joints.versions_of(place, key)
        ]
        for one in due(place.rules, key, versions, now) if versions else ():
            if one.version is None:
                joints.expire_object(place, key)
            else:
                joints.remove_version(place, key, one.version)
        if number % KEYS_AT_ONCE == KEYS_AT_ONCE - 1:
            yield
    for upload, key, begun in joints.unfinished_uploads(place):
        if upload_is_over(place.rules, key, datetime.fromisoformat(begun), now):
            joints.abort_upload(place, upload)
    yield
