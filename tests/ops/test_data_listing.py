"""Data sets as `data status` finds them: complete or not, and what came of them."""

import datetime
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from bench.data.bucket import Object
from lambda_src.intake.access import Datasets
from lambda_src.intake.service import Intake
from ops.data import show
from ops.data.listing import Outcomes, listed, run_name
from ops.training_run import Runs
from tests.ops.pushing import MANIFEST, bucket_in_memory, pushed, way_to, written

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


class SageMaker:
    """Runs by what they are called, each with what it has registered."""

    def __init__(self, *runs):
        self.runs = runs

    def get_paginator(self, name):
        return replace_paginate(getattr(self, name))

    def list_pipeline_executions(self, PipelineName, **_):
        yield {
            "PipelineExecutionSummaries": [
                {
                    "PipelineExecutionArn": f"run/{index}",
                    "PipelineExecutionDisplayName": name,
                    "PipelineExecutionStatus": status,
                    "StartTime": DAY + datetime.timedelta(days=index),
                }
                for index, (name, status, _) in reversed(list(enumerate(self.runs)))
            ]
        }

    def list_pipeline_execution_steps(self, PipelineExecutionArn, **_):
        package = self.runs[int(PipelineExecutionArn.split("/")[1])][2]
        registered = {"Metadata": {"RegisterModel": {"Arn": package}}} if package else {}
        steps = [{"StepName": "Prepare"}, {"StepName": "Register", **registered}]
        yield {"PipelineExecutionSteps": [{"StepStatus": "Succeeded", **step} for step in steps]}


def replace_paginate(call):
    return type("Pages", (), {"paginate": staticmethod(call)})


@pytest.fixture
def bucket(tmp_path):
    with bucket_in_memory() as made:
        pushed(made, written(tmp_path))
        yield made


def status(bucket, *runs):
    outcomes = Outcomes.of(Runs(SageMaker(*runs), "pipeline", 0.0))
    return {one.name: one for one in listed(way_to(bucket).shelf.s3, "bucket", outcomes)}


def test_a_set_is_told_with_splits_classes_and_hash(bucket):
    found = status(bucket)["pets"]
    assert (found.pictures, found.bytes, found.classes, found.state) == (8, 800, 2, "complete")
    assert found.splits == {"train": 4, "valid": 2, "test": 2}
    assert found.sha256 == json.loads(bucket.objects[MANIFEST].body)["sha256"]
    assert (found.run, found.model_version) == (None, None)


def test_the_run_of_just_this_manifest_and_its_model_are_told(bucket):
    name = run_name("bucket", MANIFEST, "pets", bucket.objects[MANIFEST].body)
    package = "arn:aws:sagemaker:us-east-1:1:model-package/group/7"
    runs = [(name, "Failed", None), (name, "Succeeded", package), ("pets-00000000", "Succeeded", "x/6")]
    found = status(bucket, *runs)["pets"]
    assert (found.run, found.run_status, found.model_version) == ("run/1", "Succeeded", "7")
    found = status(bucket, runs[0], runs[2])["pets"]
    assert (found.run, found.run_status, found.model_version) == ("run/0", "Failed", None)


def test_a_run_is_called_as_intake_calls_it(bucket):
    called = []

    class Pipeline:
        def start(self, *, prefix, display_name, token):
            called.append(display_name)
            return "run"

    s3 = way_to(bucket).shelf.s3
    intake = Intake(
        bucket="bucket", datasets=Datasets(s3, "bucket"), pipeline=Pipeline(), write_log=lambda record: None
    )
    intake.take({"detail": {"bucket": {"name": "bucket"}, "object": {"key": MANIFEST}}})
    assert called == [run_name("bucket", MANIFEST, "pets", bucket.objects[MANIFEST].body)]


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda objects: objects.pop(MANIFEST), "unfinished"),
        (lambda objects: objects.pop("dataset/pets/train/cat/0.jpg"), "1 missing"),
        (lambda objects: objects.update({"dataset/pets/train/cat/x.jpg": Object(1, None, 0)}), "1 too many"),
        (lambda objects: objects.update({MANIFEST: replace(objects[MANIFEST], body=b"[]")}), "bad manifest"),
    ],
)
def test_a_set_that_is_not_what_its_manifest_says_is_not_complete(bucket, spoil, state):
    spoil(bucket.objects)
    found = status(bucket)["pets"]
    assert (found.state, found.complete) == (state, False)


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_cuts_nothing_off(bucket, width):
    out = io.StringIO()
    found = [replace(one, name="dog-images-of-2026", run_status="Succeeded") for one in status(bucket).values()]
    show.sets("bucket", found, Console(file=out, width=width))
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown and "dog-images-of-2026" in shown


def test_an_empty_bucket_says_how_to_fill_it():
    out = io.StringIO()
    show.sets("bucket", [], Console(file=out))
    assert "push one with `python -m ops data push DIR`" in out.getvalue()
