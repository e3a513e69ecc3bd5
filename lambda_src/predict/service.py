"""Decides what an event gets: a page, the health answer, a prediction or a place in the queue for one.

Every failure becomes an answer.
"""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .answers import Answer, refusal_answer, success, waiting
from .endpoint import Classification, Endpoint
from .fetch import Fetcher
from .images import check_image
from .links import parse_link
from .openapi import load_document
from .page import load_page
from .payload import PredictionRequest, is_http, method_and_path, read_http, read_json
from .refusals import Refusal
from .settings import Settings
from .waiting import Waiting

LogRecord = dict[str, Any]
RESULTS = "/results/"
RESULT_ROUTE = f"{RESULTS}{{id}}"
RETRY_AFTER_SECONDS = 2


class Service:
    """The function without AWS's calling convention; `write_log` takes one record for each event."""

    def __init__(
        self,
        *,
        settings: Settings,
        endpoint: Endpoint,
        fetcher: Fetcher,
        write_log: Callable[[LogRecord], None],
        waiting: Waiting | None = None,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._fetcher = fetcher
        self._write_log = write_log
        self._waiting = waiting
        self._routes = {"/predict": "POST", "/": "GET", "/healthz": "GET", "/openapi.json": "GET"}
        if waiting:
            self._routes[RESULT_ROUTE] = "GET"
        self._fixed = {"/": load_page(), "/openapi.json": load_document(settings)}

    def answer(self, event: object, request_id: str) -> Answer:
        """Answers the event; never raises, so that no caller ever sees a stack trace."""
        record: LogRecord = {"request_id": request_id, "outcome": "ok"}
        with _milliseconds(record, "total_ms"):
            try:
                answer = self._dispatch(event, request_id, record)
            except Refusal as refusal:
                record |= {"outcome": refusal.code, "detail": refusal.detail}
                answer = refusal_answer(refusal, request_id)
            except Exception as error:
                # Where, but not what it says: the message of an unforeseen error may quote the image or the URL.
                record |= {"outcome": "internal", "error": type(error).__name__, "trace": _trace(error)}
                fault = Refusal("internal", "Something went wrong in this service; tell its operator the request id.")
                answer = refusal_answer(fault, request_id)
        record["status"] = answer["statusCode"]
        self._write_log(record)
        return answer

    def _dispatch(self, event: object, request_id: str, record: LogRecord) -> Answer:
        if not isinstance(event, dict) or not is_http(event):
            record["route"] = "direct"
            return self._predict(read_json(event, self._settings.max_image_bytes), request_id, record)
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
            return self._predict(read_http(event, self._settings.max_image_bytes), request_id, record)
        if route == RESULT_ROUTE:
            return self._result(path.removeprefix(RESULTS), request_id, record)
        return self._fixed.get(route) or success({"status": "ok", "request_id": request_id})

    def _predict(self, request: PredictionRequest, request_id: str, record: LogRecord) -> Answer:
        image = request.image if request.image is not None else self._fetch(request, record)
        record["image_bytes"] = len(image)
        content_type = check_image(image)
        record["image_type"] = content_type
        top_k = request.top_k or self._settings.top_k
        with _milliseconds(record, "invoke_ms"):
            if self._waiting:
                return _wait(self._waiting.submit(image, content_type, top_k), request_id)
            found = self._endpoint.classify(image, content_type, top_k)
        return _found(found, request_id, record)

    def _result(self, result_id: str, request_id: str, record: LogRecord) -> Answer:
        # The id is the right to read the result, so that it stays out of the log.
        if self._waiting is None:
            raise TypeError("only a function with a queue has this route")
        with _milliseconds(record, "result_ms"):
            found = self._waiting.result(result_id)
        return _wait(result_id, request_id) if found is None else _found(found, request_id, record)

    def _fetch(self, request: PredictionRequest, record: LogRecord) -> bytes:
        link = parse_link(request.url or "")
        record["url_host"] = link.host
        with _milliseconds(record, "fetch_ms"):
            return self._fetcher.fetch(link)


def _found(found: Classification, request_id: str, record: LogRecord) -> Answer:
    record |= {"variant": found.variant, "model_version": found.model_version}
    return success(
        {
            "predictions": found.predictions,
            "model_version": found.model_version,
            "variant": found.variant,
            "request_id": request_id,
        }
    )


def _wait(result_id: str, request_id: str) -> Answer:
    content = {"id": result_id, "status": "waiting", "request_id": request_id}
    return waiting(content, f"{RESULTS}{result_id}", RETRY_AFTER_SECONDS)


@contextmanager
def _milliseconds(record: LogRecord, key: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        record[key] = round((time.perf_counter() - started) * 1000, 1)


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
