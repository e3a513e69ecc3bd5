"""S3 as one role sees it: prefixes that become folders, and folders that become prefixes, each call asked of IAM."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local.authority import Credentials
from local.sagemaker.role_client import role_client

TRANSFERS_AT_ONCE = 4
READ_SECONDS = 60


class TransferFailed(Exception):
    """What S3 refused, with the place."""


class Store:
    """Made once for a job."""

    def __init__(self, credentials: Credentials, gateway: Mapping[str, str], key: str | None = None) -> None:
        """`key` is the KMS key for what is written; without it the bucket's own default counts."""
        self._client = role_client("s3", credentials, gateway, read_seconds=READ_SECONDS)
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}

    def keys(self, uri: str) -> list[str]:
        """Of every object whose key starts with the prefix, but for the empty ones that stand for folders."""
        bucket, prefix = place(uri)
        pages = self._client.get_paginator("list_objects_v2")

        def ask() -> list[str]:
            found = pages.paginate(Bucket=bucket, Prefix=prefix).search("Contents[].Key")
            return sorted(key for key in found if key and not key.endswith("/"))

        return _told(f"list {uri}", ask)

    def fetch(self, uri: str, folder: Path, keys: Iterable[str] | None = None) -> int:
        """Objects below the prefix as files in `folder`; how many there were."""
        bucket, prefix = place(uri)
        wanted = self.keys(uri) if keys is None else list(keys)

        def one(key: str) -> None:
            target = folder / _inside(key, prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(f"s3://{bucket}/{key}"))

        folder.mkdir(parents=True, exist_ok=True)
        _at_once(one, wanted)
        return len(wanted)

    def read(self, uri: str) -> bytes:
        bucket, key = place(uri)
        return _told(f"read {uri}", lambda: bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read()))

    def send(self, folder: Path, uri: str, files: Iterable[Path] | None = None) -> None:
        """Files below the folder, under the prefix."""
        found = [path for path in sorted(folder.rglob("*")) if path.is_file()] if files is None else files
        _at_once(lambda path: self.write(path, f"{uri.rstrip('/')}/{path.relative_to(folder).as_posix()}"), found)

    def write(self, path: Path, uri: str) -> None:
        bucket, key = place(uri)

        def put() -> None:
            with path.open("rb") as file:
                self._client.put_object(Bucket=bucket, Key=key, Body=file, **self._encryption)

        _told(f"write {uri}", put)


def place(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TransferFailed(f"{uri} is no place in S3")
    return parts.netloc, uri.split(parts.netloc, 1)[1].lstrip("/")


def _inside(key: str, prefix: str) -> Path:
    """Where below the folder: what follows the prefix, or the file's name where the prefix is the whole key."""
    name = PurePosixPath(key).name if key == prefix else key[len(prefix) :].lstrip("/")
    if ".." in PurePosixPath(name).parts:
        raise TransferFailed(f"the key {key} leads out of its folder")
    return Path(name)


def _at_once(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(TRANSFERS_AT_ONCE) as pool:
        for _ in pool.map(work, items):
            pass


def _told(what: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - what was asked for
    try:
        return ask()
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise TransferFailed(f"could not {what} ({code}: {message})") from error
    except (BotoCoreError, OSError) as error:
        raise TransferFailed(f"could not {what} ({error})") from error
