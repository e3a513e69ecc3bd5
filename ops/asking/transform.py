"""A batch transform job over the stage's batch model: what goes in, the job, and what came out for each file."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.asking.pictures import PictureError, below, look_at
from ops.errors import OperatorError
from ops.stage import Stage

INPUT, OUTPUT = "batch/input", "batch/output"
# Beside a job's answers, each of which ends as ANSWER: what it was not given, and why.
REFUSED, ANSWER = "refused.json", ".out"
# The container decides by each file's own bytes.
CONTENT_TYPE, ACCEPT = "application/octet-stream", "application/json"
AT_ONCE = 8
LARGEST_MB = 25
NOT_THERE = ("NoSuchKey", "404")


@dataclass(frozen=True)
class Result:
    file: str
    label: str = ""
    probability: float | None = None
    predictions: tuple[dict[str, Any], ...] = ()
    model_version: str = ""
    error: str = ""


@dataclass(frozen=True)
class Batches:
    stage: Stage

    @property
    def bucket(self) -> str:
        return self.stage.output("data", "BucketName")

    def prefix_of(self, word: str) -> str:
        """`holiday/`, `batch/input/holiday/` or s3://BUCKET/batch/input/holiday/: the batch role reads nothing else."""
        parts = urlsplit(word)
        key = parts.path.lstrip("/") if parts.scheme == "s3" else word.lstrip("/")
        outside = parts.scheme == "s3" and (parts.netloc != self.bucket or not key.startswith(f"{INPUT}/"))
        if parts.scheme not in ("", "s3") or outside:
            raise OperatorError(
                f"{word} lies outside s3://{self.bucket}/{INPUT}/, and batch jobs may read nothing else: copy it there "
                f"(aws s3 cp --recursive {word} s3://{self.bucket}/{INPUT}/NAME/), then name that."
            )
        key = key if key.startswith(f"{INPUT}/") else f"{INPUT}/{key}"
        return key if key.endswith("/") else f"{key}/"

    def upload(self, folder: Path, show: Callable[[int], None]) -> tuple[str, list[Result]]:
        """The folder's pictures below a prefix that their content names: what is there already is not sent again.

        What is no picture by its first bytes would fail the whole job: it stays here, with the reason.
        """
        looked = [(file, _refused(file, folder)) for file in below(folder)]
        files, refused = [file for file, why in looked if why is None], [why for _, why in looked if why]
        if not files:
            raise OperatorError(f"Of {folder} no file can be predicted: {refused[0].error}")
        prefix = f"{INPUT}/{_content_name(folder, files)}/"
        s3 = self.stage.client("s3")
        known = set(self.keys(prefix))
        missing = [one for one in files if f"{prefix}{one.relative_to(folder).as_posix()}" not in known]

        def put(file: Path) -> None:
            key = f"{prefix}{file.relative_to(folder).as_posix()}"
            try:
                # Its refusal is told in AWS's own words, which `upload_file` wraps in an error of its own.
                with file.open("rb") as opened:
                    s3.put_object(Bucket=self.bucket, Key=key, Body=opened)
            except OSError as error:
                raise OperatorError(f"{file} cannot be read ({error.strerror}).") from None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for count, _ in enumerate(pool.map(put, missing), start=1):
                show(count)
        return prefix, refused

    def keys(self, prefix: str) -> list[str]:
        pages = self.stage.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [key for key in pages.search("Contents[].Key") if key and not key.endswith("/")]

    def start(self, prefix: str, refused: Sequence[Result] = (), *, instance_type: str | None, instances: int) -> str:
        """The job's name. What was `refused` is kept beside its answers, for whoever comes back to it."""
        if not self.keys(prefix):
            raise OperatorError(f"There is nothing below s3://{self.bucket}/{prefix}.")
        sagemaker, serving = self.stage.client("sagemaker"), self.stage.config.serving
        name = f"{self.stage.names.own_jobs}batch-{int(time.time() * 1000)}"
        if refused:
            told = json.dumps({one.file: one.error for one in refused})
            key = f"{OUTPUT}/{name}/{REFUSED}"
            self.stage.client("s3").put_object(Bucket=self.bucket, Key=key, Body=told.encode())
        sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=self.stage.output("serving", "BatchModelName"),
            MaxPayloadInMB=LARGEST_MB,
            TransformInput={
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}},
                "ContentType": CONTENT_TYPE,
                "SplitType": "None",
            },
            TransformOutput={"S3OutputPath": f"s3://{self.bucket}/{OUTPUT}/{name}", "Accept": ACCEPT},
            TransformResources={
                "InstanceType": instance_type or serving.instance_type,
                "InstanceCount": instances,
            },
        )
        return name

    def described(self, job: str) -> dict[str, Any]:
        try:
            return dict(self.stage.client("sagemaker").describe_transform_job(TransformJobName=job))
        except ClientError as error:
            if "not find" in str(error) or "not exist" in str(error):
                raise OperatorError(f"There is no transform job {job}: `aws sagemaker list-transform-jobs`.") from None
            raise

    def done(self, job: dict[str, Any]) -> int:
        """How many files have an answer by now."""
        return sum(key.endswith(ANSWER) for key in self.keys(_prefix(job["TransformOutput"]["S3OutputPath"])))

    def results(self, job: dict[str, Any]) -> Iterator[Result]:
        """Of each file that the job was given, in the order of their names; then what it was not given."""
        prefix = _prefix(job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        output = _prefix(job["TransformOutput"]["S3OutputPath"])
        given = self.keys(prefix)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda key: self._result(key[len(prefix) :], output), given)
        refused = self._content(f"{output}{REFUSED}")
        if refused is not None:
            yield from (Result(file, error=why) for file, why in json.loads(refused).items())

    def _result(self, file: str, output: str) -> Result:
        found = self._content(f"{output}{file}{ANSWER}")
        return Result(file, error="there is no answer") if found is None else read(file, found)

    def _content(self, key: str) -> bytes | None:
        """None where there is no such object."""
        try:
            return bytes(self.stage.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_THERE:
                return None
            raise


def read(file: str, body: bytes) -> Result:
    try:
        said = json.loads(body)
        if "error" in said:
            return Result(file, error=str(said["error"]["message"]))
        best = said["predictions"][0]
        return Result(
            file, str(best["label"]), float(best["probability"]), tuple(said["predictions"]), said["model_version"]
        )
    except (ValueError, LookupError, TypeError):
        return Result(file, error=f"the answer cannot be read: {body[:100].decode(errors='replace')}")


def _refused(file: Path, folder: Path) -> Result | None:
    name = file.relative_to(folder).as_posix()
    try:
        look_at(file, name)
    except PictureError as error:
        return Result(name, error=str(error))
    return None


def _prefix(url: str) -> str:
    key = urlsplit(url).path.lstrip("/")
    return key if key.endswith("/") else f"{key}/"


def _content_name(folder: Path, files: list[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        whole.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:20]
