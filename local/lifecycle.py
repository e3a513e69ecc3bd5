"""The pass over every bucket that does what S3's lifecycle rules ask for.

The clock is a parameter: a pass knows no time but the one that it is given.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime

from local import joints_s3
from local.lifecycle_rules import Version, due, moves, upload_is_over

# A pass lets requests through after so many keys.
KEYS_AT_ONCE = 100


async def apply(now: datetime) -> None:
    """One pass over every bucket with rules. On the loop: no request sees a key half done."""
    for place in joints_s3.lifecycle_buckets():
        for _ in _pass(place, now):
            await asyncio.sleep(0)


def _pass(place: joints_s3.LifecycleBucket, now: datetime) -> Iterator[None]:
    """The bucket may change or go whenever this yields, so each key is looked at afresh."""
    for number, key in enumerate(joints_s3.stored_keys(place)):
        versions = [
            Version(
                id=found["version_id"],
                modified=datetime.fromisoformat(found["last_modified"]),
                size=found["size"],
                marker=found["marker"],
                tags=found["tags"],
                storage_class=found["storage_class"],
            )
            for found in joints_s3.versions_of(place, key)
        ]
        removals = due(place.rules, key, versions, now) if versions else []
        gone = {one.version or versions[-1].id for one in removals}
        for one in removals:
            if one.version is None:
                joints_s3.expire_object(place, key)
            else:
                joints_s3.remove_version(place, key, one.version)
        for move in moves(place.rules, key, versions, now):
            if move.version not in gone:
                joints_s3.change_storage_class(place, key, move.version, move.storage_class)
        if number % KEYS_AT_ONCE == KEYS_AT_ONCE - 1:
            yield
    for upload, key, begun in joints_s3.unfinished_uploads(place):
        if upload_is_over(place.rules, key, datetime.fromisoformat(begun), now):
            joints_s3.abort_upload(place, upload)
    yield
