"""Programs that bring a folder into a bucket: `ops data push`, a loop of `upload_file`, and the AWS command line."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.programs import ROOT

BUCKET = "bucket"
OURS, LOOP = "ops data push", "upload_file loop"


class BenchError(Exception):
    """A contender did not do what it was asked for; the text holds what it said."""


@dataclass(frozen=True)
class Contender:
    name: str
    words: Callable[[Path, str], list[str]]
    """Of a folder and the endpoint's address."""
    settings: str = ""
    """Of the AWS command line."""


def ours() -> Contender:
    """The command as it is typed, pictures looked at and all."""
    words = ["-m", "ops", "data", "push"]
    return Contender(OURS, lambda folder, _url: [sys.executable, *words, str(folder), "--name=bench", "--stage=dev"])


def loop() -> Contender:
    return Contender(LOOP, lambda folder, _url: [sys.executable, "-m", "bench.data.loop", str(folder), BUCKET])


def aws(environment: Path, at_once: int) -> Contender:
    program = str(environment / "bin" / "aws")

    def words(folder: Path, url: str) -> list[str]:
        told = ["--recursive", "--only-show-errors", "--endpoint-url", url]
        return [program, "s3", "cp", *told, str(folder), f"s3://{BUCKET}/dataset/bench/"]

    return Contender(
        f"aws s3 cp, {at_once} at once", words, f"[default]\ns3 =\n  max_concurrent_requests = {at_once}\n"
    )


def visit(contender: Contender, folder: Path, latency_seconds: float, scratch: Path) -> float:
    """Seconds from start to end, with a new bucket."""
    with _bucket(latency_seconds) as url:
        settings = scratch / "aws.cfg"
        settings.write_text(contender.settings)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_CONFIG_FILE": str(settings),
            "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "none"),
            "AWS_ACCESS_KEY_ID": "AKIABENCH",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }
        began = time.perf_counter()
        done = subprocess.run(
            contender.words(folder, url),
            cwd=ROOT,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise BenchError(f"{contender.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        _see_all_there(contender, folder, url)
    return seconds


def _see_all_there(contender: Contender, folder: Path, url: str) -> None:
    import boto3  # noqa: PLC0415 (slow to read, and not while something is measured)

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    pages = boto3.client("s3", endpoint_url=url, **keys).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    there = sum(one["Key"].endswith(".jpg") for page in pages for one in page.get("Contents", []))
    wanted = sum(1 for _ in folder.rglob("*.jpg"))
    if there != wanted:
        raise BenchError(f"{contender.name} left {there} of {wanted} pictures")


@contextmanager
def _bucket(latency_seconds: float) -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.data.bucket", str(latency_seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None  # noqa: S101 (asked for above)
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.communicate()
