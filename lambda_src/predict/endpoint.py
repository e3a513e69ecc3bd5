"""Asks the SageMaker endpoint, and turns each way in which it can fail into an answer for the caller."""

import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .aws import NoAnswerError, NoCredentialsError
from .breaker import Breaker
from .connection import Reply
from .refusals import Refusal

MAX_MESSAGE_CHARACTERS = 300
# What the server may say about the caller's image; any other 4xx of its means that the two of us disagree.
_PASSED_ON_STATUSES = frozenset({400, 413, 415, 422})
_OK, _TOO_LARGE, _MODEL_ERROR, _TOO_MANY_REQUESTS, _SERVER_ERROR, _SERVICE_UNAVAILABLE = 200, 413, 424, 429, 500, 503
_RETRY_SOON_SECONDS, _RETRY_LATER_SECONDS = 1, 10
_OVERLOADED = frozenset({"ThrottlingException", "TooManyRequestsException"})
# ValidationError is what InvokeEndpoint says of an endpoint which does not exist or is not in service. The others come
# with 429 (not ready), 503, 500 and 530, by which they are known where their name is new.
_UNAVAILABLE = frozenset(
    {
        "ValidationError",
        "ModelNotReadyException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalFailure",
        "InternalDependencyException",
    }
)
_STEP, _MOST_STEPS = re.compile(r"\b([a-z_]{1,20});dur=([0-9]{1,6}(?:\.[0-9]{1,3})?)(?=,|$)"), 8
# What says that the endpoint is down, and not that it is busy or that the image is bad.
_DOWN = frozenset({"unavailable", "endpoint_timeout"})


class Asking(Protocol):
    """A service of AWS, as `aws.Service` is one."""

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Reply: ...


@dataclass(frozen=True)
class Wish:
    """What the caller wants to hear of an image."""

    top_k: int
    raw: bool = False
    """The network's whole output, as the course's Lambda printed it, and not the most probable labels."""

    @property
    def attributes(self) -> str:
        """As the server reads it from X-Amzn-SageMaker-Custom-Attributes."""
        return "output=vector" if self.raw else f"top_k={self.top_k}"


@dataclass(frozen=True)
class Classification:
    """What the model found, and which model in which variant found it."""

    predictions: list[dict[str, Any]]
    model_version: str
    variant: str
    raw: list[Any] | None = None
    """The network's output; None where labels were asked for."""
    model_ms: dict[str, float] = field(default_factory=dict)
    """Where the model's own time went, as far as its server says."""


class Endpoint:
    """One endpoint; when it is down it is left alone for a while."""

    def __init__(self, runtime: Asking, name: str, breaker: Breaker | None = None) -> None:
        self._runtime = runtime
        self._path = f"/endpoints/{name}/invocations"
        self._breaker = breaker or Breaker()

    def classify(self, image: bytes, content_type: str, wish: Wish) -> Classification:
        """What the model says of an image; Refusal where it says nothing that can be used."""
        wait_seconds = self._breaker.seconds_to_wait()
        if wait_seconds:
            raise _unavailable("not asked, after failures in a row", math.ceil(wait_seconds))
        try:
            found = self._classify(image, content_type, wish)
        except Refusal as refusal:
            if refusal.code in _DOWN:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return found

    def _classify(self, image: bytes, content_type: str, wish: Wish) -> Classification:
        headers = {
            "Content-Type": content_type,
            "Accept": "application/json",
            "X-Amzn-SageMaker-Custom-Attributes": wish.attributes,
        }
        reply = ask(self._runtime, self._path, headers, image)
        found = read_answer(reply.body, reply.headers.get("x-amzn-invoked-production-variant", ""))
        return replace(found, model_ms=read_timing(reply.headers.get("x-amzn-sagemaker-custom-attributes", "")))


def ask(runtime: Asking, path: str, headers: dict[str, str], body: bytes) -> Reply:
    """The endpoint's good answer; Refusal for any other, and where there is none."""
    try:
        reply = runtime.ask("POST", path, headers, body)
    except NoAnswerError as error:
        raise (_timed_out if error.timed_out else _unavailable)(str(error)) from error
    except NoCredentialsError as error:
        raise _denied(str(error)) from error
    if reply.status // 100 != _OK // 100:
        raise refusal_for_reply(reply)
    return reply


def read_answer(body: bytes, variant: str) -> Classification:
    """The server's own answer, as it comes from the endpoint or lies in a bucket."""
    try:
        answer = json.loads(body)
        if isinstance(answer, list):
            return Classification([], "", variant, raw=answer)
        predictions, model_version = answer["predictions"], answer["model_version"]
        well_formed = isinstance(predictions, list) and all(
            isinstance(entry, dict) and {"label", "probability"} <= entry.keys() for entry in predictions
        )
    except (ValueError, KeyError, TypeError):
        well_formed = False
    if not well_formed:
        raise Refusal("bad_answer", "The model's answer could not be read; tell the operator of this service.")
    return Classification(predictions, str(model_version), variant)


def read_timing(text: str) -> dict[str, float]:
    """Step -> milliseconds, of `decode;dur=1.5, infer;dur=20`; nothing of what is written in another way."""
    return {step: float(spent) for step, spent in _STEP.findall(text)[:_MOST_STEPS]}


def refusal_for_reply(reply: Reply) -> Refusal:
    """What SageMaker's own error means for the caller. AWS names it in a header, with a link behind a colon."""
    error = _document(reply.body)
    code = str(reply.headers.get("x-amzn-errortype") or error.get("__type", "")).partition(":")[0].rpartition("#")[2]
    if code == "ModelError" or (not code and reply.status == _MODEL_ERROR):
        return refusal_from_model(error.get("OriginalStatusCode"), error.get("OriginalMessage"))
    detail = f"{reply.status} {code}: {error.get('Message') or error.get('message')}"
    if reply.status == _TOO_LARGE:
        return Refusal("image_too_large", "The image is larger than the model's endpoint takes; scale it down.")
    if code in _OVERLOADED:
        return _overloaded(detail)
    if code in _UNAVAILABLE or reply.status == _TOO_MANY_REQUESTS or reply.status >= _SERVER_ERROR:
        return _unavailable(detail)
    return _denied(detail)


def refusal_from_model(status: object, text: object) -> Refusal:
    """What the model's own refusal means for the caller: passed on where it speaks of the caller's image."""
    code, message = _read_error(text)
    if isinstance(status, int) and status in _PASSED_ON_STATUSES and code and message:
        return Refusal(code, message, status=status)
    if status == _TOO_MANY_REQUESTS:
        return _overloaded(f"model: {status} {code}")
    if status == _SERVICE_UNAVAILABLE:
        return _unavailable(f"model: {status} {code}")
    # SageMaker's words for a model that did not answer in its 60 seconds.
    if not status and "timed out" in str(text):
        return _timed_out("model: no answer")
    return Refusal("model_failed", "The model failed on this image; try another one.", detail=f"model: {status} {code}")


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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


def _denied(detail: str) -> Refusal:
    return Refusal(
        "endpoint_denied", "This service may not use its model at present; tell its operator.", detail=detail
    )


def _timed_out(detail: str) -> Refusal:
    return Refusal(
        "endpoint_timeout",
        "The model took too long to answer; try again in a moment.",
        retry_after_seconds=_RETRY_SOON_SECONDS,
        detail=detail,
    )


def _overloaded(detail: str) -> Refusal:
    return Refusal(
        "overloaded",
        "More images came in than the model can take; try again in a moment.",
        retry_after_seconds=_RETRY_SOON_SECONDS,
        detail=detail,
    )


def _unavailable(detail: str, retry_after_seconds: int = _RETRY_LATER_SECONDS) -> Refusal:
    return Refusal(
        "unavailable",
        "The model is not in service just now; try again in a few minutes.",
        retry_after_seconds=retry_after_seconds,
        detail=detail,
    )
