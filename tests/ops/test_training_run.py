"""A pipeline's run as the operator follows it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ops.errors import OperatorError
from ops.training_run import Runs

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def step(name, status="Succeeded", **more):
    return {"StepName": name, "StepStatus": status, "StartTime": BEGAN, "EndTime": BEGAN + timedelta(seconds=2), **more}


class SageMaker:
    """Answers one after the other: (status of the run, its steps)."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def describe_pipeline_execution(self, PipelineExecutionArn):
        status, self.steps = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"PipelineExecutionStatus": status}

    def get_paginator(self, call):
        return SimpleNamespace(paginate=getattr(self, call))

    def list_pipeline_execution_steps(self, PipelineExecutionArn, SortOrder):
        """A page each, as AWS is free to answer."""
        return [{"PipelineExecutionSteps": [step]} for step in self.steps]

    def list_pipeline_executions(self, PipelineName, SortBy, SortOrder):
        assert (SortBy, SortOrder) == ("CreationTime", "Descending")
        told = {"PipelineExecutionStatus": "Failed", "StartTime": BEGAN, "PipelineExecutionFailureReason": "no roles"}
        yield {"PipelineExecutionSummaries": [{"PipelineExecutionArn": "run/b", **told}]}
        named = {"PipelineExecutionArn": "run/a", "PipelineExecutionDisplayName": "dogs-1a2b", **told}
        yield {"PipelineExecutionSummaries": [named]}


def test_each_step_is_told_once_when_it_has_ended():
    runs = Runs(
        SageMaker(
            ("Executing", [step("Prepare", "Executing")]),
            ("Executing", [step("Prepare"), step("Train", "Executing")]),
            (
                "Succeeded",
                [step("Prepare"), step("Train"), step("Register", Metadata={"RegisterModel": {"Arn": "p/1"}})],
            ),
        ),
        "pipeline",
        0.0,
    )
    assert [(one.name, one.seconds) for one in runs.follow("run")] == [("Prepare", 2), ("Train", 2), ("Register", 2)]
    assert runs.registered("run") == "p/1"


def test_a_run_that_fails_says_which_step_and_why():
    runs = Runs(SageMaker(("Failed", [step("Prepare", "Failed", FailureReason="no pictures")])), "pipeline", 0.0)
    with pytest.raises(OperatorError, match="run x ended as Failed. Prepare: no pictures"):
        list(runs.follow("arn/x"))


def test_a_run_without_a_registered_model_is_a_sentence():
    sagemaker = SageMaker(("Succeeded", []))
    runs = Runs(sagemaker, "pipeline", 0.0)
    list(runs.follow("arn/x"))
    with pytest.raises(OperatorError, match="run x has registered no model"):
        runs.registered("arn/x")


def test_a_run_is_found_by_its_id_or_its_name_on_whatever_page():
    runs = Runs(SageMaker(), "pipeline", 0.0)
    assert (runs.youngest().id, runs.youngest().reason) == ("b", "no roles")
    assert (runs.find("a").arn, runs.find("dogs-1a2b").arn, runs.find("c")) == ("run/a", "run/a", None)


def test_runs_that_somebody_else_has_started_without_a_name_are_no_data_sets():
    assert [run.id for run in Runs(SageMaker(), "pipeline", 0.0).of("dogs")] == ["a"]
