"""A set that is there already, whose run has failed: no manifest comes, and so no run by itself."""

import io
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import ANY, Stubber
from rich.console import Console

from ops import demo
from ops.console import Steps
from ops.data import show
from ops.data.push import Pushed
from ops.training_run import Runs

ARN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/mine"


def test_a_run_that_is_started_by_hand_is_called_after_its_data_set():
    client = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        asked = {
            "PipelineName": "p",
            "PipelineExecutionDisplayName": ANY,
            "PipelineParameters": [{"Name": "DatasetPrefix", "Value": "dataset/my-dogs"}],
            "ClientRequestToken": ANY,
        }
        stub.add_response("start_pipeline_execution", {"PipelineExecutionArn": ARN}, asked)
        assert Runs(client, "p", 0.0).start("my-dogs", "dataset/my-dogs") == ARN


@pytest.mark.parametrize(("written", "started"), [(False, "by hand"), (True, "by the manifest")])
def test_the_demo_waits_for_no_run_that_nothing_starts(monkeypatch, written, started):
    done = []
    runs = SimpleNamespace(
        of=lambda _: [SimpleNamespace(arn="failed")],
        status=lambda run: ("Failed" if run == "failed" else "Succeeded", ""),
        start=lambda *_: done.append("by hand") or "new",
        started=lambda *_: done.append("by the manifest") or "new",
        registered=lambda _: "package",
    )
    shelf = SimpleNamespace(address="s3://b/dataset/demo/", prefix="dataset/demo")
    monkeypatch.setattr(demo.Runs, "of_stage", lambda _: runs)
    monkeypatch.setattr(demo, "way_to", lambda *_: SimpleNamespace(shelf=shelf))
    monkeypatch.setattr(demo, "plan", lambda *_: SimpleNamespace(nothing_to_do=not written))
    monkeypatch.setattr(demo, "push", lambda *_: Pushed(0, 0, 1, 0, manifest_written=written))
    monkeypatch.setattr(demo, "_approve", lambda *_: SimpleNamespace(version="1", artifact="models/a"))
    demo.train(Steps(Console(file=io.StringIO())), SimpleNamespace(), SimpleNamespace(name="demo"))
    assert done == [started]


@pytest.mark.parametrize(
    ("last", "said"),
    [({"run": "r1", "status": "Failed"}, "Its last run, r1, is Failed."), (None, "No run has been on it yet.")],
)
def test_a_push_of_what_is_there_says_how_its_run_ended_and_what_starts_another(monkeypatch, last, said):
    monkeypatch.setattr(show, "dataset", lambda *_: None)
    out = io.StringIO()
    told = {"address": "s3://b/dataset/dogs/", "last_run": last, "to_train": "python -m ops pipeline run --data dogs"}
    pushed = Pushed(0, 0, 8, 0, manifest_written=False)
    show.pushed(SimpleNamespace(), pushed, told, Console(file=out, width=200, highlight=False))
    assert f"{said} To train on it once more: `python -m ops pipeline run --data dogs`." in out.getvalue()
