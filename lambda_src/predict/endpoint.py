"""Asks the SageMaker endpoint, and turns each way in which it can fail into an answer for the caller."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from .refusals import Refusal

MAX_CONNECT_SECONDS = 2.0
MAX_MESSAGE_CHARACTERS = 300
# What the server may say about the caller's image; any other 4xx of its means that the two of us disagree.
_PASSED_ON_STATUSES = frozenset({400, 413, 415, 422})
_TOO_MANY_REQUESTS, _SERVICE_UNAVAILABLE = 429, 503
_RETRY_SOON_SECONDS, _RETRY_LATER_SECONDS = 1, 10


class InvokeEndpointClient(Protocol):
    """The one operation that is used of botocore's `sagemaker-runtime` client."""

    def invoke_endpoint(self, **arguments: object) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Classification:
    """What the model found, and which model in which variant found it."""

    predictions: list[dict[str, Any]]
    model_version: str
    variant: str


def make_client(invoke_timeout_seconds: float) -> InvokeEndpointClient:
    """A client that waits once: a retry after a time-out would outlast the function and double the endpoint's load."""
    config = Config(
        connect_timeout=min(MAX_CONNECT_SECONDS, invoke_timeout_seconds),
        read_timeout=invoke_timeout_seconds,
        retries={"total_max_attempts": 1},
    )
    client: InvokeEndpointClient = botocore.session.get_session().create_client("sagemaker-runtime", config=config)
    return client


class Endpoint:
    """One endpoint, reached through one kept-alive client."""

    def __init__(self, client: InvokeEndpointClient, name: str) -> None:
        self._client = client
        self._name = name

    def classify(self, image: bytes, content_type: str, top_k: int) -> Classification:
        """Returns the `top_k` most probable labels."""
        try:
            response = self._invoke(image, content_type, top_k)
            body = response["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise refusal_for_error(error) from error
        return read_answer(body, response.get("InvokedProductionVariant", ""))

    def _invoke(self, image: bytes, content_type: str, top_k: int) -> dict[str, Any]:
        arguments = {
            "EndpointName": self._name,
            "Body": image,
            "ContentType": content_type,
            "Accept": "application/json",
            "CustomAttributes": f"top_k={top_k}",
        }
        try:
            return self._client.invoke_endpoint(**arguments)
        except ConnectionClosedError:
            # A connection kept from an earlier call went stale while the function slept; asking again is harmless,
            # since a prediction changes nothing.
            return self._client.invoke_endpoint(**arguments)


def read_answer(body: bytes, variant: str) -> Classification:
    """The server's own answer, as it comes from the endpoint or lies in a bucket."""
    try:
        answer = json.loads(body)
        predictions, model_version = answer["predictions"], answer["model_version"]
        well_formed = isinstance(predictions, list) and all(
            isinstance(entry, dict) and {"label", "probability"} <= entry.keys() for entry in predictions
        )
    except (ValueError, KeyError, TypeError):
        well_formed = False
    if not well_formed:
        raise Refusal("bad_answer", "The model's answer could not be read; tell the operator of this service.")
    return Classification(predictions, str(model_version), variant)


def refusal_for_error(error: ClientError | BotoCoreError) -> Refusal:
    """What a failed call to AWS means for the caller."""
    return _refusal_for_client_error(error) if isinstance(error, ClientError) else _refusal_for_connection(error)


def _refusal_for_client_error(error: ClientError) -> Refusal:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "ModelError":
        return refusal_from_model(error.response.get("OriginalStatusCode"), error.response.get("OriginalMessage"))
    detail = str(error)
    if code in ("ThrottlingException", "TooManyRequestsException"):
        return _overloaded(detail)
    # ValidationError is what InvokeEndpoint says of an endpoint which does not exist or is not in service.
    if code in (
        "ValidationError",
        "ModelNotReadyException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalFailure",
        "InternalDependencyException",
    ):
        return _unavailable(detail)
    return Refusal(
        "endpoint_denied", "This service may not use its model at present; tell its operator.", detail=detail
    )


def refusal_from_model(status: int | None, text: object) -> Refusal:
    """What the model's own refusal means for the caller: passed on where it speaks of the caller's image."""
    code, message = _read_error(text)
    if status in _PASSED_ON_STATUSES and code and message:
        return Refusal(code, message, status=status)
    if status == _TOO_MANY_REQUESTS:
        return _overloaded(f"model: {status} {code}")
    if status == _SERVICE_UNAVAILABLE:
        return _unavailable(f"model: {status} {code}")
    return Refusal("model_failed", "The model failed on this image; try another one.", detail=f"model: {status} {code}")


def _read_error(text: object) -> tuple[str, str]:
    """The server's own `{"error": {"code", "message"}}`; anything else may hold what is not for the caller."""
    try:
        error = json.loads(str(text))["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        return "", ""
    if isinstance(code, str) and isinstance(message, str):
        return code[:MAX_MESSAGE_CHARACTERS], message[:MAX_MESSAGE_CHARACTERS]
    return "", ""


def _refusal_for_connection(error: BotoCoreError) -> Refusal:
    detail = type(error).__name__
    if isinstance(error, ReadTimeoutError):
        return Refusal(
            "endpoint_timeout",
            "The model took too long to answer; try again in a moment.",
            retry_after_seconds=_RETRY_SOON_SECONDS,
            detail=detail,
        )
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError | ConnectionClosedError):
        return _unavailable(detail)
    return Refusal("bad_answer", "The model could not be asked; tell the operator of this service.", detail=detail)


def _overloaded(detail: str) -> Refusal:
    return Refusal(
        "overloaded",
        "More images came in than the model can take; try again in a moment.",
        retry_after_seconds=_RETRY_SOON_SECONDS,
        detail=detail,
    )


def _unavailable(detail: str) -> Refusal:
    return Refusal(
        "unavailable",
        "The model is not in service just now; try again in a few minutes.",
        retry_after_seconds=_RETRY_LATER_SECONDS,
        detail=detail,
    )
