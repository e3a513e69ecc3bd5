"""A job followed to its end: what is shown of it, how a bad end is told, and what Ctrl-C leaves."""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from ops.errors import NotReached, WorkFailed
from ops.prices import Prices
from ops.work.following import ended_well, follow, left_running
from ops.work.jobs import TRAINING, Job
from ops.work.screen import Screen

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def training(status, **more):
    return {"TrainingJobName": "job", "TrainingJobStatus": status, "CreationTime": BEGAN, **more}


class SageMaker:
    def __init__(self, *answers):
        self.answers = list(answers)

    def describe_training_job(self, TrainingJobName):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Logs:
    """One stream, whose lines come one at a look."""

    def __init__(self, *lines):
        self.lines = lines

    def get_paginator(self, _):
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: ["job/algo-1-1"]))

    def get_log_events(self, nextToken="0", startFromHead=True, limit=1, **_):
        at = int(nextToken)
        found = self.lines[at : at + 1] if startFromHead else self.lines[-limit:]
        events = [{"timestamp": number, "message": line} for number, line in enumerate(found)]
        return {"events": events, "nextForwardToken": str(at + len(found))}


def stage(sagemaker, logs=None):
    clients = {"sagemaker": sagemaker, "logs": logs or Logs()}
    return SimpleNamespace(name="dev", client=clients.__getitem__, account=SimpleNamespace(poll_seconds=0.0))


def test_log_and_states_are_told_once_each_as_plain_lines(capsys):
    states = [training("InProgress", SecondaryStatus="Starting"), training("InProgress", SecondaryStatus="Training")]
    job = follow(
        stage(SageMaker(*states, training("Completed")), Logs("epoch=1 train_loss=1", "test_accuracy=0.5")),
        TRAINING,
        "job",
    )
    assert job.status == "Completed"
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "job",
        "job: InProgress: Starting",
        "epoch=1 train_loss=1",
        "test_accuracy=0.5",
        "job: InProgress: Training",
        "job: Completed",
    ]


def test_a_failed_job_says_why_and_its_last_words():
    failed = training("Failed", FailureReason="AlgorithmError: out of memory")
    with pytest.raises(WorkFailed) as told:
        follow(stage(SageMaker(failed), Logs("one", "two")), TRAINING, "job")
    assert told.value.status == 4
    assert str(told.value) == (
        "The training job job failed: AlgorithmError: out of memory\nThe last lines of its log:\n  one\n  two"
    )


def test_a_job_for_which_there_is_no_capacity_never_had_a_log():
    reason = "CapacityError: Unable to provision requested ML compute capacity"
    with pytest.raises(WorkFailed) as told:
        ended_well(Job(TRAINING, training("Failed", FailureReason=reason)), SimpleNamespace(last=lambda: []))
    assert str(told.value) == f"The training job job failed: {reason}\nIt has no log."


@pytest.mark.parametrize(
    ("secondary", "why"),
    [
        ("MaxRuntimeExceeded", "it ran longer than training.max_run_seconds allows"),
        ("MaxWaitTimeExceeded", "no spot capacity came within training.spot.max_wait_seconds"),
        ("Stopped", "somebody stopped it"),
    ],
)
def test_a_stopped_job_says_what_stopped_it(secondary, why):
    job = Job(TRAINING, training("Stopped", SecondaryStatus=secondary))
    with pytest.raises(WorkFailed, match=f"The training job job was stopped: {why}"):
        ended_well(job, SimpleNamespace(last=lambda: []))


def test_ctrl_c_leaves_the_job_and_says_how_to_come_back():
    with pytest.raises(KeyboardInterrupt) as told:
        follow(stage(SageMaker(training("InProgress"), KeyboardInterrupt())), TRAINING, "job")
    for words in ("job goes on", "ops jobs --stage dev", "ops attach job --stage dev", "ops stop job --stage dev"):
        assert words in str(told.value)


def test_who_is_throttled_to_the_end_learns_that_the_job_goes_on():
    throttled = ClientError(
        {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "DescribeTrainingJob"
    )
    with pytest.raises(NotReached, match="AWS slows us down .* job goes on"), left_running(stage(None), "job"):
        raise throttled


def test_a_terminal_gets_a_bar_with_epoch_loss_and_accuracy():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with Screen("job", epochs=4, console=console) as screen:
        screen.state("Training")
        screen.line("epoch=2 train_loss=0.5 valid_accuracy=0.75")
    assert "epoch 2/4  loss 0.500  accuracy 0.750" in out.getvalue()


def test_money_and_time_of_a_job():
    job = Job(
        TRAINING,
        training(
            "Completed",
            TrainingEndTime=BEGAN + timedelta(seconds=100),
            BillableTimeInSeconds=60,
            ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 3},
        ),
    )
    assert job.wall_seconds == 100
    assert job.billed_seconds == 180
    assert job.dollars(Prices("us-east-1")) == pytest.approx(0.23 * 180 / 3600)
    # Unknown is not nothing.
    assert job.dollars(Prices("eu-central-1")) is None
