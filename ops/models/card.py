"""What is known of a model without fetching all of it: its model.json and its evaluation, beside it or inside."""

import json
import tarfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.errors import OperatorError

METADATA, EVALUATION = "model.json", "evaluation.json"
LARGEST_BYTES = 16 * 1024**2
Json = dict[str, Any]


class Gone(OperatorError):
    """The artefact has been taken away."""


@dataclass(frozen=True)
class Card:
    metadata: Json
    evaluation: Json | None
    """None where its training run's folder is gone and nothing was kept beside the artefact."""

    @property
    def scores(self) -> Json:
        """On the test pictures."""
        return self.evaluation or self.metadata.get("metrics", {}).get("test", {})

    @property
    def labels(self) -> list[str]:
        return list(self.metadata["labels"])

    @property
    def data_sha256(self) -> str:
        return str(self.metadata.get("data", {}).get("sha256", ""))

    @property
    def code_sha256(self) -> str:
        return str(self.metadata.get("code", {}).get("sha256", ""))


def read_card(s3: Any, url: str, evaluation_url: str = "") -> Card:  # noqa: ANN401 - boto3 makes its clients at run time
    """Of the artefact at this URL; artefacts of earlier pipelines have nothing beside them and are looked into."""
    bucket, key = place(url)
    folder = key.rpartition("/")[0]
    metadata = _document(s3, bucket, f"{folder}/{METADATA}") if folder else None
    evaluation = _document(s3, bucket, f"{folder}/{EVALUATION}") if folder else None
    if evaluation is None and evaluation_url:
        evaluation = _document(s3, *place(evaluation_url))
    if metadata is None:
        metadata = _inside(s3, bucket, key)
    refuse_foreign(metadata, f"{METADATA} of s3://{bucket}/{key}")
    return Card(metadata, evaluation)


def refuse_foreign(metadata: Json, where: str) -> None:
    """One that no training of ours wrote may say anything: what is read of it is seen to first."""
    labels = metadata.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(one, str) for one in labels):
        raise OperatorError(f"{where} has no `labels`, the names of the classes: see docs/artefact.md.")
    parts = {name: metadata.get(name, {}) for name in ("metrics", "data", "code", "int8")}
    parts["metrics.test"] = parts["metrics"].get("test", {}) if isinstance(parts["metrics"], dict) else {}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise OperatorError(f"{where}: `{name}` is no object with keys: see docs/artefact.md.")


def place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc, parts.path.lstrip("/")


def _document(s3: Any, bucket: str, key: str) -> Json | None:  # noqa: ANN401
    try:
        found = s3.get_object(Bucket=bucket, Key=key)["Body"].read(LARGEST_BYTES)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    try:
        return _object(found)
    except ValueError as error:
        raise OperatorError(f"s3://{bucket}/{key} is no JSON document ({error}).") from None


def _object(text: bytes) -> Json:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object with keys")
    return found


def _inside(s3: Any, bucket: str, key: str) -> Json:  # noqa: ANN401
    """Reads the archive until it comes: packed names are sorted, so that no network in 32 bits stands before it."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with tarfile.open(fileobj=body, mode="r|gz") as archive:
            for member in archive:
                if member.name.removeprefix("./") == METADATA and member.size <= LARGEST_BYTES:
                    opened = archive.extractfile(member)
                    return _object(opened.read() if opened else b"{}")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise Gone(f"The artefact s3://{bucket}/{key} is not there any more.") from None
        raise
    except (tarfile.TarError, ValueError) as error:
        raise OperatorError(f"The artefact s3://{bucket}/{key} cannot be read ({error}).") from None
    raise OperatorError(f"The artefact s3://{bucket}/{key} has no {METADATA}: see docs/artefact.md.")
