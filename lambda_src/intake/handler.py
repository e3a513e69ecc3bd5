"""The Lambda's entry, `intake.handler.handle`, called by EventBridge for each object that is put below dataset/.

It takes S3's own notification as well, and what comes back from the queue of what failed. A picture that is none is
tagged. Whatever else is refused fails the invocation with a sentence, so that Lambda counts an error, tries again, and
leaves the event in that queue.
"""

import json
import os
import sys
from typing import Any

import botocore.session

from .access import Datasets, Pipeline
from .service import Intake
from .settings import Settings


def _write_log(record: dict[str, str]) -> None:
    # sys.stdout is looked up on each call because the runtime replaces it after import.
    sys.stdout.write(json.dumps(record, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _make_intake(settings: Settings) -> Intake:
    session = botocore.session.get_session()
    return Intake(
        bucket=settings.bucket,
        datasets=Datasets(session.create_client("s3"), settings.bucket),
        pipeline=Pipeline(session.create_client("sagemaker"), settings.pipeline_name),
        write_log=_write_log,
    )


_INTAKE = _make_intake(Settings.from_environment(os.environ))


def handle(event: object, _context: object) -> dict[str, Any]:
    """What came of the event."""
    return _INTAKE.take(event)
