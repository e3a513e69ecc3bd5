"""Through the predict function itself, without the gateway before it."""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from config.names import ALIAS
from ops.asking.answer import Answered, AnswerError, hops, read, refusal
from ops.asking.pictures import Picture, kind_of

OK, ACCEPTED = 200, 202
UPLOADS = "uploads"


@dataclass(frozen=True)
class ThroughFunction:
    """`client` is Lambda's and `s3` S3's, as boto3 makes them."""

    client: Any
    s3: Any
    function: str
    bucket: str
    top_k: int | None
    max_image_bytes: int
    max_upload_bytes: int
    wait_seconds: float
    poll_seconds: float

    def close(self) -> None:
        """boto3's clients keep their own connections."""

    def ask(self, picture: Picture) -> Answered:
        event = self._event(picture)
        if self.top_k:
            event["top_k"] = self.top_k
        began = time.monotonic()
        said = self._invoked(picture.name, event)
        if said["statusCode"] == ACCEPTED:
            said = self._result(picture.name, json.loads(said["body"])["id"])
        total = (time.monotonic() - began) * 1000
        if said["statusCode"] != OK:
            raise refusal(picture.name, "the function", said["statusCode"], said["body"].encode())
        found = read(picture.name, said["body"].encode())
        spent, steps = hops("lambda", total, said["headers"].get("server-timing", ""))
        return Answered(picture.name, found["predictions"], found["model_version"], found["variant"], spent, steps)

    def _event(self, picture: Picture) -> dict[str, Any]:
        if picture.url:
            return {"url": picture.url}
        content = picture.read(self.s3)
        kind = kind_of(content, picture.name)
        if len(content) <= self.max_image_bytes:
            return {"image": base64.b64encode(content).decode()}
        if len(content) > self.max_upload_bytes:
            raise AnswerError(
                f"{picture.name} has {len(content):,} bytes; the function takes {self.max_image_bytes:,} in a request "
                f"and {self.max_upload_bytes:,} by upload: scale it down, or ask with --via endpoint."
            )
        key = f"{UPLOADS}/{secrets.token_urlsafe(24)}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=kind)
        return {"s3": {"key": key}}

    def _result(self, name: str, result_id: str) -> dict[str, Any]:
        """Its route for results takes the gateway's event alone."""
        path, until = f"/results/{result_id}", time.monotonic() + self.wait_seconds
        event = {"version": "2.0", "rawPath": path, "requestContext": {"http": {"method": "GET", "path": path}}}
        while True:
            time.sleep(self.poll_seconds)
            said = self._invoked(name, event)
            if said["statusCode"] != ACCEPTED:
                return said
            if time.monotonic() > until:
                raise AnswerError(f"{name}: no result within {self.wait_seconds:g} s; --wait waits longer.")

    def _invoked(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.invoke(FunctionName=self.function, Qualifier=ALIAS, Payload=json.dumps(event).encode())
        payload = answer["Payload"].read()
        if answer.get("FunctionError"):
            shown = payload[:300].decode(errors="replace")
            raise AnswerError(f"{name}: the function itself failed ({answer['FunctionError']}): {shown}")
        return dict(json.loads(payload))
