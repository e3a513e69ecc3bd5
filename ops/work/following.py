"""A job from where it is to its end: its state, its log and its numbers as they come. Ctrl-C leaves it running."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import NotReached, WorkFailed
from ops.stage import Stage
from ops.weather import sentence_of
from ops.work.jobs import TRAINING, Job, Kind, described
from ops.work.logs import JobLog, last_words
from ops.work.screen import Screen


@contextmanager
def left_running(stage: Stage, name: str, returning: str = "") -> Iterator[None]:
    """Says on Ctrl-C, and where AWS is lost, that the work goes on, and how to come back: `attach` unless said."""
    words = f"--stage {stage.name}"
    returning = returning or f"python -m ops attach {name}"
    back = (
        f"{name} goes on. See it: `python -m ops jobs {words}`; come back: `{returning} {words}`; "
        f"end it: `python -m ops stop {name} {words}`."
    )
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(back) from None
    except (BotoCoreError, ClientError) as error:
        raise NotReached(f"{sentence_of(error)} {back}") from None


def follow(stage: Stage, kind: Kind, name: str, *, returning: str = "", telling: bool = True) -> Job:
    """To its end; WorkFailed with its reason and its last words where that is a bad one. `telling`: its log too."""
    sagemaker = stage.client("sagemaker")
    log = JobLog(stage.client("logs"), kind.log, name)
    job = described(sagemaker, kind, name)
    with left_running(stage, name, returning), Screen(name, epochs_of(job)) as screen:
        while not job.has_ended:
            screen.state(job.state)
            if telling:
                _show(log, screen)
            time.sleep(stage.account.poll_seconds)
            job = described(sagemaker, kind, name)
        # A log comes some seconds after what it tells of.
        if telling or job.status != "Completed":
            time.sleep(stage.account.poll_seconds)
        if telling:
            _show(log, screen)
        screen.state(job.status)
    return ended_well(job, log)


def _show(log: JobLog, screen: Screen) -> None:
    for line in log.new(lead_only=True):
        screen.line(line)


def ended_well(job: Job, log: JobLog) -> Job:
    if job.status == "Completed":
        return job
    words = last_words(log)
    if job.status == "Stopped":
        doing = job.document.get("SecondaryStatus", "Stopped")
        why = {
            "MaxRuntimeExceeded": "it ran longer than training.max_run_seconds allows",
            "MaxWaitTimeExceeded": "no spot capacity came within training.spot.max_wait_seconds",
        }.get(doing, "somebody stopped it")
        raise WorkFailed(f"The {job.kind.noun} job {job.name} was stopped: {why}.\n{words}")
    reason = job.reason or "AWS gives no reason"
    raise WorkFailed(f"The {job.kind.noun} job {job.name} failed: {reason}\n{words}")


def epochs_of(job: Job) -> int | None:
    told = job.document.get("HyperParameters", {}).get("epochs", "") if job.kind is TRAINING else ""
    return int(told) if told.isdigit() else None
