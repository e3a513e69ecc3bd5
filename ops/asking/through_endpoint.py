"""Through the endpoint itself, by the operator's own credentials; an asynchronous one by way of the bucket."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.asking.answer import Answered, AnswerError, hops, read, refusal
from ops.asking.pictures import Picture, kind_of

ASYNC_INPUT = "async/input"
ATTRIBUTES = "CustomAttributes"
NOT_THERE = ("NoSuchKey", "404")


@dataclass(frozen=True)
class ThroughEndpoint:
    """`runtime` is SageMaker's, as boto3 makes it."""

    runtime: Any
    s3: Any
    endpoint: str
    bucket: str
    asynchronous: bool
    top_k: int | None
    wait_seconds: float
    poll_seconds: float

    def close(self) -> None:
        """boto3's clients keep their own connections."""

    def ask(self, picture: Picture) -> Answered:
        content = picture.read(self.s3)
        told = {
            "EndpointName": self.endpoint,
            "ContentType": kind_of(content, picture.name),
            "Accept": "application/json",
            **({ATTRIBUTES: f"top_k={self.top_k}"} if self.top_k else {}),
        }
        began = time.monotonic()
        if self.asynchronous:
            body, timing, variant = self._waited(picture.name, content, told), "", ""
        else:
            body, timing, variant = self._answered(picture.name, content, told)
        total = (time.monotonic() - began) * 1000
        found = read(picture.name, body)
        # The container's steps alone: who is asked here is the endpoint.
        spent, steps = hops("endpoint", total, ", ".join(f"model-{one}" for one in timing.split(", ") if one))
        return Answered(picture.name, found["predictions"], found["model_version"], variant, spent, steps)

    def _answered(self, name: str, content: bytes, told: dict[str, Any]) -> tuple[bytes, str, str]:
        try:
            answer = self.runtime.invoke_endpoint(Body=content, **told)
        except ClientError as error:
            raise self._refused(name, error) from None
        return answer["Body"].read(), answer.get(ATTRIBUTES, ""), answer.get("InvokedProductionVariant", "")

    def _refused(self, name: str, error: ClientError) -> Exception:
        """The model's own words where it refused the picture; what concerns all pictures stays botocore's."""
        if error.response["Error"]["Code"] == "ModelError":
            said = str(error.response.get("OriginalMessage", ""))
            return refusal(name, "the model", int(error.response.get("OriginalStatusCode", 0)), said.encode())
        return error

    def _waited(self, name: str, content: bytes, told: dict[str, Any]) -> bytes:
        key = f"{ASYNC_INPUT}/{secrets.token_urlsafe(24)}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=told["ContentType"])
        accepted = self.runtime.invoke_endpoint_async(InputLocation=f"s3://{self.bucket}/{key}", **told)
        until = time.monotonic() + self.wait_seconds
        while True:
            found = self._there(accepted["OutputLocation"])
            if found is not None:
                return found
            failed = self._there(accepted.get("FailureLocation", ""))
            if failed is not None:
                raise AnswerError(f"{name}: the model failed: {_said(failed)}")
            if time.monotonic() > until:
                raise AnswerError(
                    f"{name}: no result within {self.wait_seconds:g} s; it will be at {accepted['OutputLocation']}."
                )
            time.sleep(self.poll_seconds)

    def _there(self, url: str) -> bytes | None:
        parts = urlsplit(url)
        if not parts.netloc:
            return None
        try:
            return bytes(self.s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_THERE:
                return None
            raise


def _said(failed: bytes) -> str:
    """SageMaker's text, with the model's own JSON in it where that can be found."""
    text = failed.decode(errors="replace")
    try:
        return str(json.loads(text[text.index("{") : text.rindex("}") + 1])["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text[:300]
