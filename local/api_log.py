"""HTTP API access logs: a stage's format rendered for each request, written to its log group behind the answer; and
each request counted in CloudWatch.

What the variables mean: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
"""

import asyncio
import base64
import contextvars
import datetime
import json
import logging
import os
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local import joints
from local.api_metrics import ApiMetrics
from local.joints import HttpApi
from local.records import Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
WRITE_AFTER_SECONDS = 0.2
# Beyond this many waiting lines new ones are dropped and counted: a log never holds a request back.
WAITING_LIMIT = 10_000
VARIABLE = re.compile(r"\$context\.([A-Za-z]\w*(?:\.\w+)*)")
UNKNOWN = "-"
# Values that bring their own quotes.
QUOTED = ("error.messageString",)
CLIENT_ERROR = 400
TOO_MANY_REQUESTS, LAMBDA_THROTTLED = 429, b'"__type": "TooManyRequestsException"'
# Every listener is on this address, and the event that a function gets says the same.
SOURCE_IP, PROTOCOL = "127.0.0.1", "HTTP/1.1"

logger = logging.getLogger("embedded-aws.apigateway")
_current: contextvars.ContextVar["Exchange | None"] = contextvars.ContextVar("api_exchange", default=None)


@dataclass
class Exchange:
    """What is learnt of one request while it is answered."""

    request_id: str = field(default_factory=lambda: base64.b64encode(os.urandom(11)).decode())
    began: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.perf_counter)
    api_id: str = ""
    stage: str = ""
    path: str = ""
    integration: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One request, answered and not yet written."""

    api: HttpApi
    at: float
    values: Mapping[str, str]


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with its variables replaced; quotes in a caller's path or agent leave a JSON template JSON."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1], UNKNOWN)
        return found if match[1] in QUOTED else json.dumps(found, ensure_ascii=False)[1:-1]

    return VARIABLE.sub(value, template)


def watch_integrations() -> None:
    """Before hardening: what that refuses reaches no integration."""
    joints.wrap("services.apigateway:_invoke_lambda_proxy", _note_the_function)
    joints.wrap("services.apigateway:_invoke_http_proxy", _note_the_backend)


class ApiLogs:
    """The lines that wait to be written. All on the server's loop, where MiniStack writes what callers put."""

    def __init__(self, metrics: ApiMetrics) -> None:
        self._metrics = metrics
        self._waiting: deque[Line] = deque()
        self._dropped = 0
        self._due: asyncio.TimerHandle | None = None

    def install(self) -> None:
        """After hardening: what that refuses is logged too."""
        joints.wrap("app:_handle_execute_api_request", self._answer)
        joints.wrap("app:_enforce_execute_api", _note_the_request)
        joints.wrap("services.apigateway:new_uuid", _one_id_a_request)

    async def _answer(
        self,
        original: Foreign,
        host: str,
        path: str,
        method: str,
        headers: Mapping[str, str],
        *rest: Foreign,
        **more: Foreign,
    ) -> Foreign:
        exchange = Exchange()
        token = _current.set(exchange)
        try:
            answer = await original(host, path, method, headers, *rest, **more)
        finally:
            _current.reset(token)
        api = joints.http_api(exchange.api_id, exchange.stage, method, exchange.path) if exchange.api_id else None
        if answer is None or api is None:
            return answer
        status, given, body = answer
        self._measure(exchange, api, status)
        if api.log_group_arn and api.log_format:
            self._offer(Line(api, exchange.began, _values(exchange, api, method, headers, status, body)))
        # The same id as in the log and in the function's event.
        return status, {**given, "apigw-requestid": exchange.request_id}, body

    def _measure(self, exchange: Exchange, api: HttpApi, status: int) -> None:
        waited = exchange.integration.get("integrationLatency")
        self._metrics.publish(
            Scope(api.account, api.region),
            api.api_id,
            api.stage,
            status,
            float(_milliseconds(exchange.clock)),
            float(waited) if waited is not None else None,
        )

    def _offer(self, line: Line) -> None:
        if len(self._waiting) >= WAITING_LIMIT:
            self._dropped += 1
            return
        self._waiting.append(line)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(WRITE_AFTER_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits; also before each save, so that no saved state lacks a line of an answered request."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._dropped:
            logger.warning("%d access log lines were dropped: %d waited to be written.", self._dropped, WAITING_LIMIT)
            self._dropped = 0
        batches: dict[tuple[str, str], list[dict[str, Any]]] = {}
        while self._waiting:
            line = self._waiting.popleft()
            stream = f"{line.api.api_id}/{line.api.stage}/{_utc(line.at):%Y-%m-%d}"
            event = {"timestamp": int(line.at * 1000), "message": render(line.api.log_format, line.values)}
            batches.setdefault((line.api.log_group_arn, stream), []).append(event)
        for (arn, stream), events in batches.items():
            refused = joints.write_log(arn, stream, events)
            if refused is not None:
                logger.warning("%d access log lines could not be written to %s: %s", len(events), arn, refused)


def _note_the_request(
    original: Foreign, api_id: str, stage: str, method: str, execute_path: str, *rest: Foreign, **more: Foreign
) -> Foreign:
    """Called for every request to an API, by whatever address it came, once its stage is known."""
    exchange = _current.get()
    if exchange is not None:
        exchange.api_id, exchange.stage, exchange.path = api_id, stage, execute_path
    return original(api_id, stage, method, execute_path, *rest, **more)


async def _note_the_function(original: Foreign, *args: Foreign, **more: Foreign) -> Foreign:
    began = time.perf_counter()
    answer = await original(*args, **more)
    # Lambda answers 200 for whatever the function says, an error included; 429 where it did not call it.
    status, _, body = answer
    refused = status == TOO_MANY_REQUESTS and isinstance(body, bytes) and LAMBDA_THROTTLED in body
    _note_integration(began, status, TOO_MANY_REQUESTS if refused else 200)
    return answer


async def _note_the_backend(original: Foreign, *args: Foreign, **more: Foreign) -> Foreign:
    began = time.perf_counter()
    answer = await original(*args, **more)
    _note_integration(began, answer[0], answer[0])
    return answer


def _note_integration(began: float, status: int, service_status: int) -> None:
    exchange, latency = _current.get(), _milliseconds(began)
    if exchange is not None:
        exchange.integration = {
            "integrationLatency": latency,
            "integration.latency": latency,
            "integrationStatus": str(service_status),
            "integration.integrationStatus": str(service_status),
            "integration.status": str(status),
        }


def _one_id_a_request(original: Foreign) -> str:
    """The function's event names its request; while one is answered, its own id."""
    exchange = _current.get()
    return str(original()) if exchange is None else exchange.request_id


def _values(  # noqa: PLR0917 - a request and its answer
    exchange: Exchange, api: HttpApi, method: str, headers: Mapping[str, str], status: int, body: Foreign
) -> dict[str, str]:
    path = exchange.path if api.stage == "$default" else f"/{api.stage}{exchange.path}"
    values = {
        "accountId": api.account,
        "apiId": api.api_id,
        "domainName": api.domain,
        "domainPrefix": api.domain.split(".")[0],
        "extendedRequestId": exchange.request_id,
        "httpMethod": method,
        "identity.sourceIp": SOURCE_IP,
        "identity.userAgent": headers.get("user-agent", UNKNOWN),
        "path": path,
        "protocol": PROTOCOL,
        "requestId": exchange.request_id,
        "requestTime": f"{_utc(exchange.began):%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": str(int(exchange.began * 1000)),
        "responseLatency": _milliseconds(exchange.clock),
        "responseLength": str(len(body or b"")),
        "routeKey": api.route_key or UNKNOWN,
        "stage": api.stage,
        "status": str(status),
        **exchange.integration,
    }
    # What an integration answers is its own; API Gateway's message is that of a refusal before it.
    said = _message(body) if not exchange.integration and status >= CLIENT_ERROR else ""
    if said:
        values |= {"error.message": said, "error.messageString": json.dumps(said)}
    return values


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def _milliseconds(since: float) -> str:
    return str(round((time.perf_counter() - since) * 1000))


def _utc(moment: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC)
