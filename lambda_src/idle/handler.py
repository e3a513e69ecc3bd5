"""The Lambda's entry, `idle.handler.handle`, called by EventBridge on a schedule; what the event says is not looked at.

Its role may read instances, volumes, notebooks, metrics and one endpoint, publish to one topic and, where it stops
things, stop what carries this stage's tags.
"""

import json
import os
import sys
from datetime import UTC, datetime

import botocore.session

from .account import Account
from .settings import Settings
from .sweep import Outcome, Sweep

SUBJECT = "{project}-{stage}: idle resources"


class IncompleteSweep(RuntimeError):
    """Part of the sweep failed. Raised at the very end, so that Lambda counts an error and an alarm tells of it."""


def _make_sweep(settings: Settings) -> tuple[Sweep, Account]:
    session = botocore.session.get_session()
    account = Account(
        ec2=session.create_client("ec2"),
        sagemaker=session.create_client("sagemaker"),
        cloudwatch=session.create_client("cloudwatch"),
        sns=session.create_client("sns"),
        project=settings.project,
        stage=settings.stage,
    )
    return Sweep(settings, account), account


_SETTINGS = Settings.from_environment(os.environ)
_SWEEP, _ACCOUNT = _make_sweep(_SETTINGS)


def handle(_event: object, _context: object) -> dict[str, list[str]]:
    """Looks once; the answer is for whoever calls by hand."""
    outcome = _SWEEP.run(datetime.now(UTC))
    _write_log(outcome)
    if outcome.news:
        subject = SUBJECT.format(project=_SETTINGS.project, stage=_SETTINGS.stage)
        _ACCOUNT.tell(_SETTINGS.topic_arn, subject, "\n\n".join(outcome.news))
    if outcome.faults:
        raise IncompleteSweep("; ".join(outcome.faults))
    return {"news": outcome.news, "stopped": outcome.stopped}


def _write_log(outcome: Outcome) -> None:
    # sys.stdout is looked up on each call because the runtime replaces it after import.
    sys.stdout.write(json.dumps(vars(outcome), separators=(",", ":")) + "\n")
    sys.stdout.flush()
