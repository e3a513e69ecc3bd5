"""Which data set of a stage is meant: one whose manifest is in the bucket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.data.dataset import MANIFEST
from ops.data.names import PREFIX
from ops.errors import OperatorError
from ops.stage import Stage

# Boto3's clients are made at run time.
Client = Any
NOT_THERE = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class DataSet:
    """One whose manifest is in the bucket: it is there, whole."""

    bucket: str
    name: str
    pushed: datetime

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.name}"


def chosen(stage: Stage, name: str | None) -> DataSet:
    """The one that is named, or the only one."""
    bucket, s3 = stage.output("data", "BucketName"), stage.client("s3")
    if name is None:
        names = _names(s3, bucket)
        if len(names) != 1:
            there = f"there are {', '.join(names)}: name one with --data" if names else "there is none yet: push one"
            raise OperatorError(f"No data set was named, and of stage {stage.name} {there} (`ops data push DIR`).")
        (name,) = names
    try:
        found = s3.head_object(Bucket=bucket, Key=f"{PREFIX}/{name}/{MANIFEST}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_THERE:
            raise
        names = _names(s3, bucket)
        others = f"there are {', '.join(names)}" if names else "none is there yet"
        raise OperatorError(
            f"Data set {name} is not in s3://{bucket}/{PREFIX}/ ({others}), or its push has not ended: `ops data push "
            "DIR`."
        ) from None
    return DataSet(bucket, name, found["LastModified"])


def _names(s3: Client, bucket: str) -> list[str]:
    """Of those whose manifest, the last object of a push, is there."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/", Delimiter="/")
    folders = [one.removeprefix(f"{PREFIX}/").rstrip("/") for one in pages.search("CommonPrefixes[].Prefix") if one]
    return sorted(name for name in folders if is_there(s3, bucket, f"{PREFIX}/{name}/{MANIFEST}"))


def is_split(stage: Stage, data: DataSet) -> bool:
    """Whether it says itself which pictures train and which test."""
    s3 = stage.client("s3")
    return all(is_there(s3, data.bucket, f"{data.prefix}/{split}/") for split in ("train", "valid", "test"))


def is_there(s3: Client, bucket: str, prefix: str) -> bool:
    """Whether any object's key begins so."""
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))
