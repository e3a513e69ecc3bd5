"""Images that wait for an asynchronous endpoint: left in the bucket, asked for later by an id that nobody can guess.

async/input/<id> holds the image; async/tickets/<id> says where SageMaker will put what the model answers.
"""

import json
import re
import secrets
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .endpoint import MAX_CONNECT_SECONDS, Classification, read_answer, refusal_for_error, refusal_from_model
from .refusals import Refusal

INPUT, TICKETS = "async/input", "async/tickets"
RESULTS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>async/(?:output|failure)/.+)")
ID_BYTES = 24
ID = re.compile(r"[A-Za-z0-9_-]{32}")
# Without leave to list the bucket, S3 says of an object that is not there that it may not be read.
_NOT_THERE = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})
_MODEL_STATUS = re.compile(r"\((\d{3})\)")
CALLS = 3  # the image, the endpoint and the ticket, one after the other within the function's time


class ObjectClient(Protocol):
    """The two operations that are used of botocore's `s3` client."""

    def put_object(self, **arguments: object) -> dict[str, Any]: ...

    def get_object(self, **arguments: object) -> dict[str, Any]: ...


class InvokeAsyncClient(Protocol):
    """The one operation that is used of botocore's `sagemaker-runtime` client."""

    def invoke_endpoint_async(self, **arguments: object) -> dict[str, Any]: ...


def make_clients(timeout_seconds: float) -> tuple[ObjectClient, InvokeAsyncClient]:
    """Clients whose calls, all told, end within the time that the function gives its endpoint."""
    each = timeout_seconds / CALLS
    config = Config(
        connect_timeout=min(MAX_CONNECT_SECONDS, each), read_timeout=each, retries={"total_max_attempts": 1}
    )
    session = botocore.session.get_session()
    objects: ObjectClient = session.create_client("s3", config=config)
    endpoint: InvokeAsyncClient = session.create_client("sagemaker-runtime", config=config)
    return objects, endpoint


class Waiting:
    """One asynchronous endpoint and the bucket through which it is spoken to."""

    def __init__(self, objects: ObjectClient, endpoint: InvokeAsyncClient, *, endpoint_name: str, bucket: str) -> None:
        self._objects = objects
        self._endpoint = endpoint
        self._endpoint_name = endpoint_name
        self._bucket = bucket

    def submit(self, image: bytes, content_type: str, top_k: int) -> str:
        """Returns the id under which the result is found."""
        result_id = secrets.token_urlsafe(ID_BYTES)
        key = f"{INPUT}/{result_id}"
        try:
            self._objects.put_object(Bucket=self._bucket, Key=key, Body=image, ContentType=content_type)
            accepted = self._endpoint.invoke_endpoint_async(
                EndpointName=self._endpoint_name,
                InputLocation=f"s3://{self._bucket}/{key}",
                InferenceId=result_id,
                ContentType=content_type,
                Accept="application/json",
                CustomAttributes=f"top_k={top_k}",
            )
            ticket = [self._own_key(accepted.get(name)) for name in ("OutputLocation", "FailureLocation")]
            self._objects.put_object(
                Bucket=self._bucket,
                Key=f"{TICKETS}/{result_id}",
                Body=json.dumps(ticket).encode(),
                ContentType="application/json",
            )
        except (ClientError, BotoCoreError) as error:
            raise refusal_for_error(error) from error
        return result_id

    def result(self, result_id: str) -> Classification | None:
        """What the model found, or None while it has not; Refusal where it failed or nobody ever asked."""
        unknown = Refusal("not_found", "There is no result under this id, or no longer; predict again.")
        if not ID.fullmatch(result_id):
            raise unknown
        ticket = self._read(f"{TICKETS}/{result_id}")
        if ticket is None:
            raise unknown
        output, failure = json.loads(ticket)
        found = self._read(output) if output else None
        if found is not None:
            return read_answer(found, "")
        failed = self._read(failure) if failure else None
        if failed is not None:
            raise _failure(failed.decode(errors="replace"))
        return None

    def _own_key(self, location: object) -> str | None:
        """A key in our bucket, below the prefixes that this function may read; nothing else is ever asked for."""
        match = RESULTS.fullmatch(str(location))
        return match["key"] if match and match["bucket"] == self._bucket else None

    def _read(self, key: str) -> bytes | None:
        try:
            return bytes(self._objects.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                return None
            raise refusal_for_error(error) from error
        except BotoCoreError as error:
            raise refusal_for_error(error) from error


def _failure(text: str) -> Refusal:
    """What the model said against the image, where SageMaker's words hold it; its status stands in brackets."""
    status = _MODEL_STATUS.search(text)
    begin, end = text.find("{"), text.rfind("}")
    return refusal_from_model(int(status[1]) if status else None, text[begin : end + 1] if begin >= 0 else "")
