"""The application: SageMaker's routes and /metrics over plain ASGI."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from serving.admission import Admission
from serving.answers import CONTENT_TYPES, encode, error_document, to_json
from serving.engine import EngineError
from serving.errors import RequestError
from serving.health import Health
from serving.http import (
    ATTRIBUTES_HEADER,
    REQUEST_ID_HEADER,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    announced_bytes,
    headers_of,
    read_body,
    request_id_of,
    send_answer,
)
from serving.metrics import CONTENT_TYPE as METRICS_TYPE
from serving.metrics import Metrics
from serving.predictor import Predictor, Row, Work
from serving.refusals import Refusals
from serving.request import JSON_TYPE, Wishes, read_wishes
from serving.settings import MEGABYTE, Settings

log = logging.getLogger("serving")

METHODS = {
    "/ping": ("GET", "HEAD"),
    "/invocations": ("POST",),
    "/execution-parameters": ("GET",),
    "/metrics": ("GET",),
}
OK, TOO_MANY, UNAVAILABLE = 200, 429, 503


@dataclass
class Outcome:
    """What becomes of one request, gathered for its answer, its log line and the counts."""

    status: int = 500
    body: bytes = b""
    content_type: str = JSON_TYPE
    facts: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        self.status, self.code = error.status, error.code
        self.body, self.content_type = to_json(error_document(error)), JSON_TYPE
        self.facts["code"] = error.code


class App:
    """One model behind /ping and /invocations."""

    def __init__(self, predictor: Predictor, health: Health, settings: Settings, *, cores: int, replaced: int) -> None:
        self._predictor, self._health, self._settings = predictor, health, settings
        self._cores, self._replaced = cores, replaced
        self._admission = Admission(cores + settings.queue_length, settings.max_pending_bytes)
        self._metrics, self._refusals = Metrics(), Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path not in METHODS:
            *first, last = METHODS
            routes = f"{', '.join(first)} and {last}"
            await reject(send, RequestError(404, "not_found", f"There is nothing here; the routes are {routes}."))
        elif method not in METHODS[path]:
            allowed = " or ".join(METHODS[path])
            await reject(send, RequestError(405, "method_not_allowed", f"{path} takes {allowed}."))
        elif path == "/ping":
            await self._ping(send)
        elif path == "/invocations":
            await self._invocations(scope, receive, send)
        elif path == "/metrics":
            await send_answer(send, 200, self._metrics_text().encode(), {"content-type": METRICS_TYPE})
        else:
            await send_answer(send, 200, to_json(self._execution_parameters()), {"content-type": JSON_TYPE})

    async def _ping(self, send: Send) -> None:
        fault = self._health.fault()
        if fault is None:
            healthy = {"status": "healthy", "workers_replaced": self._replaced}
            await send_answer(send, 200, to_json(healthy), {"content-type": JSON_TYPE})
        else:
            log.error("unhealthy", extra={"facts": {"reason": fault}})
            await reject(send, RequestError(UNAVAILABLE, "unhealthy", f"This server is not healthy: {fault}."))

    def _execution_parameters(self) -> dict[str, Any]:
        """How a batch transform job should send: enough at once that a core never waits for a body."""
        return {
            "MaxConcurrentTransforms": 2 * self._cores,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, self._settings.max_body_bytes // MEGABYTE),
        }

    def _metrics_text(self) -> str:
        gauges: dict[str, tuple[str, float]] = {
            "requests_in_progress": ("Requests that have a place.", self._admission.requests),
            "pending_bytes": ("Bytes of their bodies.", self._admission.bytes),
            "images_waiting": ("Images that wait for a core.", self._predictor.engine_room.waiting()),
            "workers_replaced": ("Times that this process took the place of one that died.", self._replaced),
        }
        return self._metrics.text(gauges, self._predictor.artifact.version)

    async def _invocations(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        headers, outcome = headers_of(scope), Outcome()
        request_id = request_id_of(headers)
        try:
            announced = announced_bytes(headers, self._settings.max_body_bytes)
            with self._admission.request(announced) as share:
                wishes = read_wishes(headers, self._settings.default_top_k, len(self._predictor.artifact.labels))
                body = await read_body(receive, self._settings.max_body_bytes, self._settings.body_seconds, share)
                outcome.facts["body_bytes"] = len(body)
                await self._answer(body, wishes, receive, outcome, start)
        except RequestError as error:
            outcome.refuse(error)
        except ClientGoneError:
            log.info("client_gone", extra={"facts": {"request_id": request_id, **outcome.facts}})
            return
        except Exception:  # a defect of this server: its trace belongs in the log and not in the answer
            log.exception("defect", extra={"facts": {"request_id": request_id}})
            message = f"This server has a defect; its log knows more of {request_id}."
            outcome.refuse(RequestError(500, "internal", message))
        fields = {"content-type": outcome.content_type, REQUEST_ID_HEADER: request_id}
        if outcome.status in {TOO_MANY, UNAVAILABLE}:
            fields["retry-after"] = "1"
        if outcome.status == OK:
            fields[ATTRIBUTES_HEADER] = server_timing(outcome.facts["ms"])
        await send_answer(send, outcome.status, outcome.body, fields)
        seconds = time.perf_counter() - start
        self._metrics.answered(outcome.status, outcome.code, seconds)
        if outcome.code == "queue_full":
            self._refusals.count(outcome.code)
            return
        outcome.facts["total_ms"] = round(seconds * 1000, 2)
        log.info("request", extra={"facts": {"request_id": request_id, "status": outcome.status, **outcome.facts}})

    async def _answer(self, body: bytes, wishes: Wishes, receive: Receive, outcome: Outcome, start: float) -> None:
        """Have the pictures decoded and inferred; give up at the deadline or when the client has gone."""
        work = self._predictor.start(body, wishes)
        left = self._settings.request_seconds - (time.perf_counter() - start)
        try:
            rows = await unless_gone(asyncio.wrap_future(work.rows), receive, left)
        except EngineError as error:
            self._health.engine_failed()
            log.error("engine_failed", extra={"facts": {"reason": str(error)}})
            message = "The engine failed on this request; another server may answer it."
            raise RequestError(UNAVAILABLE, "engine_failed", message) from error
        except TimeoutError as error:
            message = f"No answer within {self._settings.request_seconds:g} s; try again in a moment."
            raise RequestError(UNAVAILABLE, "timed_out", message) from error
        finally:
            outcome.facts["ms"] = work.timing.rounded()
        self._health.engine_answered()
        self._encode(work, rows, wishes, outcome)

    def _encode(self, work: Work, rows: list[Row], wishes: Wishes, outcome: Outcome) -> None:
        start = time.perf_counter()
        outcome.body = encode(rows, self._predictor.artifact, wishes, several=work.several)
        outcome.status, outcome.content_type = 200, CONTENT_TYPES[wishes.accept]
        work.timing.encode = (time.perf_counter() - start) * 1000
        outcome.facts |= {"images": len(rows), "ms": work.timing.rounded()}
        self._metrics.predicted(len(rows), outcome.facts["ms"])


def server_timing(milliseconds: dict[str, float]) -> str:
    """Where the time went, as a browser reads it in Server-Timing."""
    return ", ".join(f"{step};dur={spent:g}" for step, spent in milliseconds.items())


async def reject(send: Send, error: RequestError) -> None:
    await send_answer(send, error.status, to_json(error_document(error)), {"content-type": JSON_TYPE})


async def unless_gone(work: "asyncio.Future[list[Row]]", receive: Receive, timeout_seconds: float) -> list[Row]:
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
