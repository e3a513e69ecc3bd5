"""The Lambda's entry, `predict.handler.handle`: what lives as long as the environment is made here, once.

Takes HTTP API events (payload version 2) and direct ones such as {"url": "https://example.com/dog.jpg"}.
"""

import json
import os
import sys
from typing import Protocol

from .answers import Answer
from .endpoint import Endpoint, make_client
from .fetch import Fetcher
from .service import LogRecord, Service
from .settings import Settings
from .waiting import Waiting, make_clients


class LambdaContext(Protocol):
    """What is used of the context that Lambda hands over."""

    aws_request_id: str


def _write_log(record: LogRecord) -> None:
    known = {key: value for key, value in record.items() if value is not None}
    # sys.stdout is looked up on each call because the runtime replaces it after import.
    sys.stdout.write(json.dumps(known, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _make_service(settings: Settings) -> Service:
    return Service(
        settings=settings,
        endpoint=Endpoint(make_client(settings.invoke_timeout_seconds), settings.endpoint_name),
        fetcher=Fetcher(
            timeout_seconds=settings.fetch_timeout_seconds,
            max_bytes=settings.max_image_bytes,
            allowed_hosts=settings.allowed_image_hosts,
        ),
        waiting=_make_waiting(settings) if settings.async_bucket else None,
        write_log=_write_log,
    )


def _make_waiting(settings: Settings) -> Waiting:
    objects, endpoint = make_clients(settings.invoke_timeout_seconds)
    return Waiting(objects, endpoint, endpoint_name=settings.endpoint_name, bucket=settings.async_bucket)


_SERVICE = _make_service(Settings.from_environment(os.environ))


def handle(event: object, context: LambdaContext) -> Answer:
    """Answers one event."""
    return _SERVICE.answer(event, context.aws_request_id)
