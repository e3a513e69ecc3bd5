"""The calls to AWS: look at an object, say what is wrong with it, count a data set, start the pipeline."""

from typing import Any, Protocol

from botocore.exceptions import ClientError

from .arrival import Arrival
from .manifest import LARGEST_BYTES
from .pictures import SNIFFED_BYTES
from .refusal import Refusal

_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"})
# What S3 says of a range of an object that has no bytes.
_EMPTY = "InvalidRange"
TAG = "refused"
LONGEST_TAG = 256


class ObjectClient(Protocol):
    """The operations that are used of botocore's `s3` client."""

    def get_object(self, **arguments: object) -> dict[str, Any]: ...

    def put_object_tagging(self, **arguments: object) -> dict[str, Any]: ...

    def list_objects_v2(self, **arguments: object) -> dict[str, Any]: ...


class PipelineClient(Protocol):
    """The one operation that is used of botocore's `sagemaker` client."""

    def start_pipeline_execution(self, **arguments: object) -> dict[str, Any]: ...


class Datasets:
    def __init__(self, client: ObjectClient, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def manifest(self, arrival: Arrival) -> bytes:
        """One byte more than a manifest may have, at most; of the version that arrived, whatever came after it."""
        try:
            body = self._client.get_object(**self._place(arrival))["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                raise Refusal(f"{arrival.key} is gone again; push the data set anew.") from None
            raise
        content: bytes = body.read(LARGEST_BYTES + 1)
        return content

    def head(self, arrival: Arrival) -> bytes | None:
        """The first bytes; None where the object is gone again."""
        try:
            body = self._client.get_object(**self._place(arrival), Range=f"bytes=0-{SNIFFED_BYTES - 1}")["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                return None
            if error.response["Error"]["Code"] == _EMPTY:
                return b""
            raise
        content: bytes = body.read(SNIFFED_BYTES)
        return content

    def tag(self, arrival: Arrival, reason: str) -> None:
        tags = {"TagSet": [{"Key": TAG, "Value": reason[:LONGEST_TAG]}]}
        self._client.put_object_tagging(**self._place(arrival), Tagging=tags)

    def count(self, prefix: str, enough: int) -> int:
        """Files below a data set's prefix, its manifest aside; no further than enough."""
        # The manifest itself is among them.
        found = -1
        more: dict[str, str] = {}
        while found < enough:
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}/", **more)
            found += page.get("KeyCount", 0)
            if not page.get("IsTruncated"):
                break
            more = {"ContinuationToken": page["NextContinuationToken"]}
        return found

    def _place(self, arrival: Arrival) -> dict[str, str]:
        version = {"VersionId": arrival.version} if arrival.version else {}
        return {"Bucket": self._bucket, "Key": arrival.key, **version}


class Pipeline:
    def __init__(self, client: PipelineClient, name: str) -> None:
        self._client, self._name = client, name

    def start(self, *, prefix: str, display_name: str, token: str) -> str:
        """The run's ARN; the same token answers with the run that it started the first time."""
        answer = self._client.start_pipeline_execution(
            PipelineName=self._name,
            PipelineExecutionDisplayName=display_name,
            PipelineParameters=[{"Name": "DatasetPrefix", "Value": prefix}],
            ClientRequestToken=token,
        )
        return str(answer["PipelineExecutionArn"])
