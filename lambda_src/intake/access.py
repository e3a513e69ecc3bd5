"""The two calls to AWS: read a manifest, start the pipeline."""

from typing import Any, Protocol

from botocore.exceptions import ClientError

from .manifest import LARGEST_BYTES
from .refusal import Refusal

_NOT_THERE = frozenset({"NoSuchKey", "404"})


class ObjectClient(Protocol):
    """The one operation that is used of botocore's `s3` client."""

    def get_object(self, **arguments: object) -> dict[str, Any]: ...


class PipelineClient(Protocol):
    """The one operation that is used of botocore's `sagemaker` client."""

    def start_pipeline_execution(self, **arguments: object) -> dict[str, Any]: ...


class Datasets:
    def __init__(self, client: ObjectClient, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def read(self, key: str) -> bytes:
        """One byte more than a manifest may have, at most."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                raise Refusal(f"{key} is gone again; push the data set anew.") from None
            raise
        content: bytes = body.read(LARGEST_BYTES + 1)
        return content


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
