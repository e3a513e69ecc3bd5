"""The function's answers in the shape of an HTTP API, with the headers that a browser needs to stay safe."""

import json
from typing import Any

from .refusals import Refusal

Answer = dict[str, Any]
# Made once: json.dumps makes one for each call that asks for anything but its defaults.
to_json = json.JSONEncoder(separators=(",", ":")).encode


def success(content: object, headers: dict[str, str] | None = None) -> Answer:
    """A JSON answer."""
    return _json_answer(200, content, headers)


def created(content: dict[str, Any]) -> Answer:
    """A JSON answer that says where something new is."""
    return _json_answer(201, content)


def waiting(content: dict[str, Any], location: str | None, retry_after_seconds: int) -> Answer:
    """A JSON answer that tells where and when to ask for the real one."""
    place = {"location": location} if location else {}
    return _json_answer(202, content, {**place, "retry-after": str(retry_after_seconds)})


def refusal_answer(refusal: Refusal, request_id: str) -> Answer:
    """The error in the same shape for every cause."""
    headers = {}
    if refusal.retry_after_seconds is not None:
        headers["retry-after"] = str(refusal.retry_after_seconds)
    if refusal.allow is not None:
        headers["allow"] = refusal.allow
    return _json_answer(refusal.status, {"error": error_of(refusal), "request_id": request_id}, headers)


def error_of(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": refusal.message}


def _json_answer(status: int, content: object, headers: dict[str, str] | None = None) -> Answer:
    return {
        "statusCode": status,
        "headers": {
            "content-type": "application/json",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            "referrer-policy": "no-referrer",
            **(headers or {}),
        },
        "body": to_json(content),
    }
