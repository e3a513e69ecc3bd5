"""Data sets for tests: files that are numbered, a bucket in memory, and a way there."""

import contextlib
import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from bench.data.bucket import Bucket, running
from ops.data.dataset import DataSet, Picture
from ops.data.push import Pushed, plan, push
from ops.data.shelf import Shelf
from ops.data.transfer import Pace, Way
from ops.data.wire import Wire

MANIFEST = "dataset/pets/manifest.json"


def written(folder: Path, count: int = 8, size: int = 100) -> DataSet:
    """A set of files of that size each; they are no pictures, and nothing here decodes them."""
    pictures = []
    for number in range(count):
        key = f"{('train', 'train', 'valid', 'test')[number % 4]}/{'cat' if number % 8 < 4 else 'dog'}/{number}.jpg"
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((f"{number} " * size)[:size].encode())
        pictures.append(picture(file, key))
    return DataSet("pets", tuple(pictures), True, {}, {}, {})


def picture(file: Path, key: str) -> Picture:
    return Picture(file, key, key.split("/")[1], hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size)


def way_to(bucket: Bucket, pace: Pace | None = None) -> Way:
    pace = pace or Pace()
    s3 = boto3.client(
        "s3",
        endpoint_url=bucket.url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    wire = Wire(s3, "bucket", Credentials("a", "b"), connections=pace.connections)
    return Way(wire, Shelf(s3, "bucket", "dataset/pets"), pace)


def pushed(
    bucket: Bucket, dataset: DataSet, pace: Pace | None = None, tell: Callable[[int, int], None] = lambda *_: None
) -> Pushed:
    way = way_to(bucket, pace)
    return push(way, dataset, plan(way.shelf, dataset), tell)


def pushing(bucket: Bucket, dataset: DataSet, pace: Pace | None = None) -> multiprocessing.Process:
    """The same in a process of its own, to be killed."""
    process = multiprocessing.get_context("fork").Process(target=pushed, args=(bucket, dataset, pace), daemon=True)
    process.start()
    return process


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.001)


@contextlib.contextmanager
def bucket_in_memory(**behaviour) -> Iterator[Bucket]:
    made = Bucket(**behaviour)
    stop = running(made)
    try:
        yield made
    finally:
        stop()
