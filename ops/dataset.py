"""A folder of labelled images as a data set in a stage's bucket: its pictures, then the manifest that starts a run."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError

# The data set's page, docs/dataset.md, has both.
FORMAT, PREFIX = 1, "dataset"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
SPLITS = ("train", "valid", "test")
AT_ONCE = 8


@dataclass(frozen=True)
class Dataset:
    """A folder with one folder of images for each class, or with train/, valid/ and test/ of those."""

    folder: Path
    name: str
    files: tuple[Path, ...]

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.name}"

    @property
    def manifest(self) -> dict[str, Any]:
        return {"format": FORMAT, "pictures": len(self.files), "sha256": self.sha256()}

    def sha256(self) -> str:
        """Over every file's path and content."""
        whole = hashlib.sha256()
        for file in self.files:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            whole.update(f"{file.relative_to(self.folder).as_posix()} {content}\n".encode())
        return whole.hexdigest()

    def examples(self) -> dict[str, Path]:
        """Class -> one of its pictures, of those that training never sees where the set says which."""
        folder = self.folder / "test" if (self.folder / "test").is_dir() else self.folder
        return {file.parent.name: file for file in reversed(self.files) if file.is_relative_to(folder)}


def read(folder: Path, name: str) -> Dataset:
    if not folder.is_dir():
        raise OperatorError(f"{folder} is no folder: name one with one folder of images for each class.")
    inner = [folder / split for split in SPLITS if (folder / split).is_dir()] or [folder]
    files = sorted(
        file for place in inner for file in place.glob("*/*") if file.suffix.lower() in SUFFIXES and file.is_file()
    )
    if not files:
        raise OperatorError(f"{folder} holds no images: it needs one folder of them ({', '.join(SUFFIXES)}) a class.")
    return Dataset(folder, name, tuple(files))


def is_pushed(s3: Any, bucket: str, dataset: Dataset) -> bool:  # noqa: ANN401 - boto3 makes its clients at run time
    """Whether its manifest, which goes last, is there already."""
    try:
        body = s3.get_object(Bucket=bucket, Key=f"{dataset.prefix}/manifest.json")["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return False
        raise
    return bool(json.loads(body) == dataset.manifest)


def push(s3: Any, bucket: str, dataset: Dataset, show: Callable[[int], None]) -> None:  # noqa: ANN401 - as above
    """What another set left under the name goes first: pictures of both would be one set."""
    wanted = {f"{dataset.prefix}/{file.relative_to(dataset.folder).as_posix()}": file for file in dataset.files}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{dataset.prefix}/")
    for key in list(pages.search("Contents[].Key")):
        if key and key not in wanted:
            s3.delete_object(Bucket=bucket, Key=key)

    def put(key: str) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=wanted[key].read_bytes())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for count, _ in enumerate(pool.map(put, wanted), start=1):
            show(count)
    body = json.dumps(dataset.manifest).encode()
    s3.put_object(Bucket=bucket, Key=f"{dataset.prefix}/manifest.json", Body=body)
