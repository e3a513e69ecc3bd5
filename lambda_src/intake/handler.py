"""The Lambda's entry, `intake.handler.handle`, called by EventBridge for each manifest that is put below dataset/.

Its role may read what lies there and start one pipeline. Whatever is refused fails the invocation with a sentence, so
that Lambda counts an error, tries again, and leaves the event in the queue of what failed.
"""

import json
import os
import sys

import botocore.session

from .access import Datasets, Pipeline
from .service import Intake
from .settings import Settings


def _make_intake(settings: Settings) -> Intake:
    session = botocore.session.get_session()
    return Intake(
        bucket=settings.bucket,
        datasets=Datasets(session.create_client("s3"), settings.bucket),
        pipeline=Pipeline(session.create_client("sagemaker"), settings.pipeline_name),
    )


_INTAKE = _make_intake(Settings.from_environment(os.environ))


def handle(event: object, _context: object) -> dict[str, str]:
    """Starts one run, or says why not."""
    started = _INTAKE.take(event)
    # sys.stdout is looked up on each call because the runtime replaces it after import.
    sys.stdout.write(json.dumps(started, separators=(",", ":")) + "\n")
    sys.stdout.flush()
    return started
