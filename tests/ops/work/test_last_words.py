"""The last words of what failed, wherever a job runs: in a run of the pipeline, in a batch."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from ops.asking import batching
from ops.errors import WorkFailed
from ops.work import pipeline
from ops.work.logs import JobLog, last_words
from tests.ops.work.test_following import Logs
from tests.ops.work.test_tune import trial

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:111122223333:{}/job"


class SageMaker:
    """A run that has failed by a step, whose job is of the given kind; its trials, where that is a tuning."""

    def __init__(self, kind, arn, trials=()):
        self.step = {
            "StepName": "Step",
            "StepStatus": "Failed",
            "StartTime": BEGAN,
            "EndTime": BEGAN,
            "FailureReason": "ClientError: exit 1",
            "Metadata": {kind: {"Arn": ARN.format(arn)}} if kind else {},
        }
        self.trials = trials

    def describe_pipeline_execution(self, PipelineExecutionArn):
        return {"PipelineExecutionStatus": "Failed"}

    def get_paginator(self, call):
        pages = [{"PipelineExecutionSteps": [self.step]}]
        if call == "list_pipeline_execution_steps":
            return SimpleNamespace(paginate=lambda **_: pages)
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: self.trials))


def stage(sagemaker, logs):
    return SimpleNamespace(
        name="dev",
        client={"sagemaker": sagemaker, "logs": logs}.__getitem__,
        output=lambda *_: "pipeline",
        account=SimpleNamespace(poll_seconds=0.0),
        config=SimpleNamespace(serving=SimpleNamespace(batch=True)),
    )


@pytest.mark.parametrize(
    ("sagemaker", "words"),
    [
        (SageMaker("ProcessingJob", "processing-job"), "\nThe last lines of the log of job:\n  one\n  two"),
        (SageMaker("TrainingJob", "training-job"), "\nThe last lines of the log of job:\n  one\n  two"),
        (
            SageMaker("TuningJob", "hyper-parameter-tuning-job", [trial(1, value=0.5), trial(2, "Failed")]),
            "\nThe last lines of the log of t-2:\n  one\n  two",
        ),
        (SageMaker("TuningJob", "hyper-parameter-tuning-job", [trial(1, value=0.5)]), ""),
        (SageMaker(None, ""), ""),
    ],
)
def test_a_run_that_fails_ends_with_the_last_lines_of_the_job_it_failed_by(sagemaker, words):
    with pytest.raises(WorkFailed) as told:
        pipeline.follow(SimpleNamespace(), stage(sagemaker, Logs("one", "two")), "arn/run/r")
    assert str(told.value) == f"The pipeline's run r ended as Failed. Step: ClientError: exit 1{words}"


def test_a_batch_that_fails_says_its_last_lines(monkeypatch, capsys, tmp_path):
    failed = {"TransformJobStatus": "Failed", "FailureReason": "AlgorithmError: /ping"}
    monkeypatch.setattr(batching.Stage, "open", lambda *_: stage(None, Logs("one", "two")))
    monkeypatch.setattr(batching.Batches, "described", lambda *_: failed)
    monkeypatch.setattr(batching.Batches, "done", lambda *_: 0)
    monkeypatch.setattr(batching.Batches, "results", lambda *_: iter(()))
    arguments = SimpleNamespace(stage="dev", stages=None, out=tmp_path / "found.csv", job="job", json=True)
    assert batching.run(arguments) == WorkFailed.status
    said = capsys.readouterr().err
    assert said.endswith(
        "The job job ended as Failed: AlgorithmError: /ping\nThe last lines of its log:\n  one\n  two\n"
    )


def test_a_log_that_may_not_be_read_hides_no_failure():
    class Locked(Logs):
        def get_log_events(self, **_):
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetLogEvents")

    said = last_words(JobLog(Locked(), "group", "job"), "job")
    assert said == "The log of job cannot be read. These credentials may not call GetLogEvents: no"
