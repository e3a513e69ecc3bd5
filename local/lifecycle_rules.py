"""S3's lifecycle rules: what is due for one key at a given time, of removals and of changes of storage class."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

Rule = Mapping[str, Any]
# From dear to cheap: a rule never moves an object back.
STORAGE_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
# Smaller objects stay where they are, unless the rule's filter names a size of its own.
SMALLEST_MOVED_BYTES = 128 * 1024


@dataclass(frozen=True)
class Version:
    """One version of a key, or its delete marker. Unversioned objects have the id "null", as S3 names them."""

    id: str
    modified: datetime
    size: int = 0
    marker: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


@dataclass(frozen=True)
class Due:
    """`version` is to be removed for good; without one, the current object is to expire."""

    version: str | None


@dataclass(frozen=True)
class Move:
    """`version` is to change its storage class."""

    version: str
    storage_class: str


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


def moves(rules: Iterable[Rule], key: str, versions: Sequence[Version], now: datetime) -> list[Move]:
    """To the cheapest class that any enabled rule asks for by now; versions come oldest first."""
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    found = []
    for index, version in enumerate(versions):
        reached = [
            asked
            for rule in enabled
            if not version.marker and _matches(rule, key, version) and _is_large_enough(rule, version)
            for asked in _reached(rule, versions, index, now)
        ]
        best = max([version.storage_class, *reached], key=_cheapness)
        if best != version.storage_class:
            found.append(Move(version.id, best))
    return found


def _reached(rule: Rule, versions: Sequence[Version], index: int, now: datetime) -> Iterable[str]:
    if index == len(versions) - 1:
        for one in rule.get("Transitions", []):
            if ("Date" in one and now >= _date(one["Date"])) or (
                "Days" in one and _passed(versions[index].modified, one["Days"], now)
            ):
                yield one["StorageClass"]
        return
    newer = len(versions) - 2 - index
    for one in rule.get("NoncurrentVersionTransitions", []):
        is_over = _passed(versions[index + 1].modified, one["NoncurrentDays"], now)
        if newer >= one.get("NewerNoncurrentVersions", 0) and is_over:
            yield one["StorageClass"]


def _cheapness(storage_class: str) -> int:
    """What no rule moves, REDUCED_REDUNDANCY for one, is as dear as STANDARD."""
    return STORAGE_CLASSES.index(storage_class) if storage_class in STORAGE_CLASSES else 0


def _is_large_enough(rule: Rule, version: Version) -> bool:
    sized = {"ObjectSizeGreaterThan", "ObjectSizeLessThan"} & set(_condition(rule))
    return bool(sized) or version.size >= SMALLEST_MOVED_BYTES


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
        return now >= _date(expiration["Date"])
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


def _date(text: str) -> datetime:
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


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
