"""The application: SageMaker's two routes over plain ASGI."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from serving.engine import EngineError
from serving.errors import RequestError
from serving.health import Health
from serving.http import (
    REQUEST_ID_HEADER,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    headers_of,
    read_body,
    request_id_of,
    send_json,
)
from serving.predictor import Predictor, Timing
from serving.request import check_types, top_k
from serving.settings import Settings
from serving.workers import Workers

log = logging.getLogger("serving")

METHODS = {"/ping": ("GET", "HEAD"), "/invocations": ("POST",)}


@dataclass
class Outcome:
    """What becomes of one request, gathered for its answer and its log line."""

    status: int = 500
    document: Any = None
    facts: dict[str, Any] = field(default_factory=dict)

    def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        self.status = error.status
        self.document = {"error": {"code": error.code, "message": error.message}}
        self.facts["code"] = error.code


class App:
    """One model behind /ping and /invocations."""

    def __init__(self, predictor: Predictor, workers: Workers, settings: Settings) -> None:
        self._predictor, self._workers, self._settings = predictor, workers, settings
        self._health = Health(workers, predictor.engine.warm_up, settings.request_seconds)
        self._admitted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path not in METHODS:
            routes = " and ".join(METHODS)
            await self._reject(send, RequestError(404, "not_found", f"There is nothing here; the routes are {routes}."))
        elif method not in METHODS[path]:
            allowed = " or ".join(METHODS[path])
            await self._reject(send, RequestError(405, "method_not_allowed", f"{path} takes {allowed}."))
        elif path == "/ping":
            await self._ping(send)
        else:
            await self._invocations(scope, receive, send)

    async def _reject(self, send: Send, error: RequestError) -> None:
        await send_json(send, error.status, {"error": {"code": error.code, "message": error.message}}, {})

    async def _ping(self, send: Send) -> None:
        fault = self._health.fault()
        if fault is None:
            await send_json(send, 200, {"status": "healthy"}, {})
        else:
            log.error("unhealthy", extra={"facts": {"reason": fault}})
            await self._reject(send, RequestError(503, "unhealthy", f"This server is not healthy: {fault}."))

    async def _invocations(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        headers, outcome = headers_of(scope), Outcome()
        request_id = request_id_of(headers)
        try:
            with self._admission():
                outcome.document = await self._answer(headers, receive, outcome.facts)
                outcome.status = 200
        except RequestError as error:
            outcome.refuse(error)
        except ClientGoneError:
            log.info("client_gone", extra={"facts": {"request_id": request_id, **outcome.facts}})
            return
        except Exception:  # a defect of this server: its trace belongs in the log and not in the answer
            log.exception("defect", extra={"facts": {"request_id": request_id}})
            outcome.refuse(
                RequestError(500, "internal", f"This server has a defect; its log knows more of {request_id}.")
            )
        retry = {"retry-after": "1"} if outcome.status in {429, 503} else {}
        await send_json(send, outcome.status, outcome.document, {REQUEST_ID_HEADER: request_id, **retry})
        outcome.facts["total_ms"] = round((time.perf_counter() - start) * 1000, 2)
        log.info("request", extra={"facts": {"request_id": request_id, "status": outcome.status, **outcome.facts}})

    @contextlib.contextmanager
    def _admission(self) -> Iterator[None]:
        """Bound the requests in the house, before a byte of their bodies is read."""
        if self._admitted >= self._settings.workers + self._settings.queue_length:
            message = f"{self._admitted} requests are waiting already; try again in a moment."
            raise RequestError(429, "queue_full", message)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def _answer(self, headers: dict[str, str], receive: Receive, facts: dict[str, Any]) -> dict[str, Any]:
        """Read the request, have a worker answer it, give up at the deadline or when the client has gone."""
        deadline = time.monotonic() + self._settings.request_seconds
        content_type = headers.get("content-type", "application/octet-stream")
        check_types(content_type, headers.get("accept", "*/*"))
        labels = len(self._predictor.artifact.labels)
        attributes = headers.get("x-amzn-sagemaker-custom-attributes", "")
        wanted = top_k(attributes, self._settings.default_top_k, labels)
        body = await read_body(receive, headers, self._settings.max_body_bytes, self._settings.body_seconds)
        facts["body_bytes"] = len(body)

        timing = Timing()
        facts["ms"] = timing.milliseconds
        job = self._workers.submit(lambda: self._predictor.predict(content_type, body, wanted, timing))
        try:
            answer = await unless_gone(asyncio.wrap_future(job), receive, deadline - time.monotonic())
        except EngineError as error:
            self._health.engine_failed()
            log.error("engine_failed", extra={"facts": {"reason": str(error)}})
            message = "The engine failed on this request; another server may answer it."
            raise RequestError(503, "engine_failed", message) from error
        except TimeoutError as error:
            message = f"No answer within {self._settings.request_seconds:g} s; try again in a moment."
            raise RequestError(503, "timed_out", message) from error
        self._health.engine_answered()
        return answer


async def unless_gone(
    work: "asyncio.Future[dict[str, Any]]", receive: Receive, timeout_seconds: float
) -> dict[str, Any]:
    """The work's result; an error when the client goes first, or the time is over."""
    departure = asyncio.ensure_future(receive())
    waited_for: set[asyncio.Future[Any]] = {work, departure}
    try:
        await asyncio.wait(waited_for, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientGoneError if departure.done() else TimeoutError
    finally:
        departure.cancel()
        work.cancel()
