"""`train --dry-run` and `tune --dry-run` where nothing is prepared yet: the request is told, and nothing is started."""

from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest

from config.names import Names
from ops.work import datasets, preparing, train, tune
from ops.work.datasets import DataSet
from ops.work.definition import Definition
from tests.ops.work.pipeline import deployed, settings

DATA = DataSet("the-bucket", "dogs", datetime(2026, 1, 1, tzinfo=UTC))
RUN = {
    "ProcessingJobName": "of-a-run",
    "ProcessingJobStatus": "InProgress",
    "ProcessingOutputConfig": {
        "Outputs": [{"OutputName": "data", "S3Output": {"S3Uri": "s3://the-bucket/runs/r/data"}}]
    },
}


class SageMaker:
    """Tells, and refuses to begin anything."""

    meta = boto3.client("sagemaker", region_name="us-east-1").meta

    def describe_processing_job(self, ProcessingJobName):
        return RUN

    def __getattr__(self, call):
        raise AssertionError(f"{call} was called in a dry run")


@pytest.fixture
def rehearse(monkeypatch):
    """One of both commands with --dry-run: its request, and what it says."""

    def run(command, capsys, under_way=None, config=None):
        config = config or settings()
        monkeypatch.setattr(Definition, "deployed", lambda *_: deployed(config))
        monkeypatch.setattr(datasets, "chosen", lambda *_: DATA)
        monkeypatch.setattr(preparing, "prepared", lambda *_: None)
        monkeypatch.setattr(preparing, "under_way", lambda *_: under_way)
        monkeypatch.setattr(preparing, "computed", lambda *_: None)
        stage = SimpleNamespace(
            config=config,
            names=Names("whippet", "dev"),
            client=lambda _: SageMaker(),
            output=lambda *_: "whippet-dev-training",
        )
        words = ("instances", "instance_type", "spot", "jobs", "parallel", "data", "tuned")
        arguments = SimpleNamespace(set=[], dry_run=True, **dict.fromkeys(words))
        return command.asked(stage, arguments)[1], " ".join(capsys.readouterr().err.split())

    return run


def places(request):
    found = request.get("TrainingJobDefinition", request)["InputDataConfig"]
    return {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in found}


@pytest.mark.parametrize("command", [train, tune])
def test_a_dry_run_starts_nothing_and_says_what_would_run_first(rehearse, command, capsys):
    request, said = rehearse(command, capsys)
    assert places(request)["train"] == "s3://the-bucket/runs/whippet-dev-prepare-.../data/train/"
    assert "A preparing job would run first" in said


@pytest.mark.parametrize("command", [train, tune])
def test_a_dry_run_waits_for_no_job_that_prepares_now(rehearse, command, capsys):
    request, said = rehearse(command, capsys, under_way="of-a-run")
    assert places(request)["train"] == "s3://the-bucket/runs/r/data/train/"
    assert "The preparing job of-a-run would be waited for first" in said


@pytest.mark.parametrize("command", [train, tune])
def test_a_dry_run_computes_no_features(rehearse, command, capsys):
    request, said = rehearse(command, capsys, config=settings(stage="head"))
    assert places(request)["features"].rstrip("/") == "s3://the-bucket/runs/whippet-dev-features-.../features"
    assert "A job that computes features would run first" in said
