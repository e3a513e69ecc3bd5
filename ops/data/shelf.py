"""A data set's place in a bucket: what lies there, and what goes before another set comes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.data.dataset import MANIFEST
from ops.errors import NotReached

AT_ONCE = 1000  # as many as one call of DeleteObjects takes


@dataclass(frozen=True)
class Thing:
    """What lies under a key."""

    size: int
    since: datetime


@dataclass(frozen=True)
class Shelf:
    """`s3` is a client of boto3's; keys are those below the prefix."""

    s3: Any
    bucket: str
    prefix: str

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/"

    def listed(self) -> dict[str, Thing]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        return {
            self._below(one["Key"]): Thing(one["Size"], one["LastModified"])
            for page in pages
            for one in page.get("Contents", [])
        }

    def manifest(self) -> bytes | None:
        try:
            content: bytes = self.s3.get_object(Bucket=self.bucket, Key=self.key(MANIFEST))["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return content

    def write_manifest(self, content: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.key(MANIFEST), Body=content, ContentType="application/json")

    def delete(self, keys: Iterable[str]) -> None:
        for some in _portions(sorted(keys)):
            objects = [{"Key": self.key(key)} for key in some]
            answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            for fault in answer.get("Errors", []):
                raise NotReached(f"{fault['Key']} could not be deleted: {fault.get('Message') or fault['Code']}")

    def uploads(self) -> dict[str, list[str]]:
        """Uploads of several parts that were begun and not ended, by key."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        found: dict[str, list[str]] = {}
        for one in (one for page in pages for one in page.get("Uploads", [])):
            found.setdefault(self._below(one["Key"]), []).append(one["UploadId"])
        return found

    def begin(self, key: str, kind: str) -> str:
        """An upload in parts; its id."""
        made = self.s3.create_multipart_upload(
            Bucket=self.bucket, Key=self.key(key), ChecksumAlgorithm="SHA256", ContentType=kind
        )
        return str(made["UploadId"])

    def parts(self, key: str, upload: str) -> dict[int, tuple[str, str | None]]:
        """Number -> tag and SHA-256 of what is there of it."""
        pages = self.s3.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=self.key(key), UploadId=upload)
        found = [one for page in pages for one in page.get("Parts", [])]
        return {one["PartNumber"]: (one["ETag"], one.get("ChecksumSHA256")) for one in found}

    def complete(self, key: str, upload: str, tags: dict[int, str], checksums: dict[int, str]) -> None:
        parts = [
            {"PartNumber": number, "ETag": tags[number], "ChecksumSHA256": checksums[number]} for number in sorted(tags)
        ]
        self.s3.complete_multipart_upload(
            Bucket=self.bucket, Key=self.key(key), UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def abort(self, key: str, upload: str) -> None:
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key=self.key(key), UploadId=upload)

    def key(self, below: str) -> str:
        return f"{self.prefix}/{below}"

    def _below(self, key: str) -> str:
        return key.removeprefix(f"{self.prefix}/")


def _portions(keys: list[str]) -> Iterator[list[str]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))
