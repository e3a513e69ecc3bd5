"""The Lambda's entry, `predict.handler.handle`: what lives as long as the environment is made here, once.

Takes HTTP API events (payload version 2) and direct ones such as {"url": "https://example.com/dog.jpg"}.
"""

import os
import sys
import time
from typing import Protocol

from .answers import Answer, to_json
from .aws import Aws, bucket, runtime
from .endpoint import Endpoint
from .fetch import Fetcher
from .metrics import with_metrics
from .objects import Objects
from .predictor import Predictor
from .service import LogRecord, Service
from .settings import Settings
from .uploads import Uploads
from .waiting import CALLS, Waiting


class LambdaContext(Protocol):
    """What is used of the context that Lambda hands over."""

    aws_request_id: str


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _make_service(settings: Settings, aws: Aws) -> Service:
    def write_log(record: LogRecord) -> None:
        known = {key: value for key, value in record.items() if value is not None}
        if settings.metrics:
            known = with_metrics(known, settings.endpoint_name, _now_ms)
        # sys.stdout is looked up on each call because the runtime replaces it after import.
        sys.stdout.write(to_json(known) + "\n")
        sys.stdout.flush()

    uploads, waiting = _make_uploads(settings, aws), _make_waiting(settings, aws)
    predictor = Predictor(
        endpoint=Endpoint(runtime(aws, settings.invoke_timeout_seconds), settings.endpoint_name),
        fetcher=Fetcher(
            timeout_seconds=settings.fetch_timeout_seconds,
            max_bytes=settings.max_image_bytes,
            allowed_hosts=settings.allowed_image_hosts,
        ),
        uploads=uploads,
        waiting=waiting,
    )
    return Service(settings=settings, predictor=predictor, write_log=write_log, uploads=uploads, waiting=waiting)


def _make_uploads(settings: Settings, aws: Aws) -> Uploads | None:
    if not settings.upload_bucket:
        return None
    return Uploads(
        Objects(bucket(aws, settings.upload_bucket, settings.fetch_timeout_seconds)),
        max_bytes=settings.max_upload_bytes,
        expires_seconds=settings.upload_seconds,
    )


def _make_waiting(settings: Settings, aws: Aws) -> Waiting | None:
    if not settings.async_bucket:
        return None
    # All calls together end within the time that the function gives its endpoint.
    each = settings.invoke_timeout_seconds / CALLS
    return Waiting(
        Objects(bucket(aws, settings.async_bucket, each)),
        runtime(aws, each),
        endpoint_name=settings.endpoint_name,
        bucket=settings.async_bucket,
    )


_SERVICE = _make_service(Settings.from_environment(os.environ), Aws(os.environ))


def handle(event: object, context: LambdaContext) -> Answer:
    """Answers one event."""
    return _SERVICE.answer(event, context.aws_request_id)
