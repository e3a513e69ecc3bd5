"""Decides what an event gets: a page, the health answer, a prediction, a place in the queue for one or for an upload.

Every failure becomes an answer.
"""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .answers import Answer, created, error_of, refusal_answer, success, waiting
from .clock import milliseconds, server_timing
from .endpoint import Classification, Wish
from .openapi import load_document
from .page import load_page
from .payload import (
    Limits,
    PredictionRequest,
    is_http,
    method_and_path,
    read_http,
    read_json,
    read_json_text,
    read_upload,
)
from .predictor import Found, Predictor
from .refusals import Refusal
from .settings import Settings
from .uploads import Uploads
from .waiting import Waiting

LogRecord = dict[str, Any]
UPLOADS = "/uploads"
RESULTS = "/results/"
RESULT_ROUTE = f"{RESULTS}{{id}}"
RETRY_AFTER_SECONDS = 2


class Service:
    """The function without AWS's calling convention; `write_log` takes one record for each event."""

    def __init__(
        self,
        *,
        settings: Settings,
        predictor: Predictor,
        write_log: Callable[[LogRecord], None],
        uploads: Uploads | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self._top_k = settings.top_k
        self._limits = Limits(max_image_bytes=settings.max_image_bytes, max_images=settings.max_images)
        self._predictor = predictor
        self._write_log = write_log
        self._uploads = uploads
        self._waiting = waiting
        self._routes = {"/predict": "POST", "/": "GET", "/healthz": "GET", "/openapi.json": "GET"}
        if uploads:
            self._routes[UPLOADS] = "POST"
        if waiting:
            self._routes[RESULT_ROUTE] = "GET"
        self._fixed = {"/": load_page(), "/openapi.json": load_document(settings)}

    def answer(self, event: object, request_id: str) -> Answer:
        """Answers the event; never raises, so that no caller ever sees a stack trace."""
        record: LogRecord = {"request_id": request_id, "outcome": "ok"}
        with milliseconds(record, "total_ms"):
            try:
                answer = self._dispatch(event, request_id, record)
            except Refusal as refusal:
                record |= {"outcome": refusal.outcome, "code": refusal.code, "detail": refusal.detail}
                answer = refusal_answer(refusal, request_id)
            except Exception as error:
                # Where, but not what it says: the message of an unforeseen error may quote the image or the URL.
                record |= {"outcome": "internal", "error": type(error).__name__, "trace": _trace(error)}
                fault = Refusal("internal", "Something went wrong in this service; tell its operator the request id.")
                answer = refusal_answer(fault, request_id)
        answer = {**answer, "headers": {**answer["headers"], "server-timing": server_timing(record)}}
        record["status"] = answer["statusCode"]
        self._write_log(record)
        return answer

    def _dispatch(self, event: object, request_id: str, record: LogRecord) -> Answer:
        if not isinstance(event, dict) or not is_http(event):
            record["route"] = "direct"
            return self._predict(read_json(event, self._limits), request_id, record)
        method, path = method_and_path(event)
        route = RESULT_ROUTE if path.startswith(RESULTS) else path
        allowed = self._routes.get(route)
        if allowed is None:
            known = ", ".join(f"{verb} {where}" for where, verb in self._routes.items())
            raise Refusal("not_found", f"There is nothing here; the routes are {known}.")
        record["route"] = f"{method} {route}"
        if method != allowed:
            raise Refusal("method_not_allowed", f"This route answers {allowed} only.", allow=allowed)
        if route == "/predict":
            return self._predict(read_http(event, self._limits), request_id, record)
        if route == RESULT_ROUTE:
            return self._result(path.removeprefix(RESULTS), request_id, record)
        if route == UPLOADS:
            return self._upload(read_json_text(event, self._limits.max_image_bytes), request_id)
        return self._fixed.get(route) or success({"status": "ok", "request_id": request_id})

    def _predict(self, request: PredictionRequest, request_id: str, record: LogRecord) -> Answer:
        wish = Wish(request.top_k or self._top_k, raw=bool(request.raw))
        if not request.several:
            return _one(self._predictor.predict(request.sources[0], wish, record), request_id)
        found = self._predictor.predict_all(request.sources, wish, record)
        if any(isinstance(one, Refusal) for one in found):
            record["outcome"] = "partly_refused"
        content = {"results": [_entry(one) for one in found], "request_id": request_id}
        return waiting(content, None, RETRY_AFTER_SECONDS) if self._waiting else success(content)

    def _result(self, result_id: str, request_id: str, record: LogRecord) -> Answer:
        # The id is the right to read the result, so that it stays out of the log.
        if self._waiting is None:
            raise TypeError("only a function with a queue has this route")
        with milliseconds(record, "result_ms"):
            found = self._waiting.result(result_id)
        return _one(result_id if found is None else found, request_id)

    def _upload(self, content: object, request_id: str) -> Answer:
        # The URL is the right to write, so that it stays out of the log.
        if self._uploads is None:
            raise TypeError("only a function with uploads has this route")
        kind, length = read_upload(content)
        return created({**self._uploads.offer(kind, length), "request_id": request_id})


def _one(found: Classification | str, request_id: str) -> Answer:
    if isinstance(found, str):
        return waiting({**_entry(found), "request_id": request_id}, f"{RESULTS}{found}", RETRY_AFTER_SECONDS)
    if found.raw is not None:
        # The vector alone, as the course's Lambda answered it; what else there is to say goes beside it.
        return success(found.raw, {"x-request-id": request_id, "x-variant": found.variant})
    return success({**_entry(found), "request_id": request_id})


def _entry(found: Found) -> dict[str, Any]:
    """What is said of one image, alone or in a list."""
    if isinstance(found, Refusal):
        return {"error": error_of(found)}
    if isinstance(found, str):
        return {"id": found, "status": "waiting"}
    if found.raw is not None:
        return {"raw": found.raw, "variant": found.variant}
    return {"predictions": found.predictions, "model_version": found.model_version, "variant": found.variant}


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
