"""The deployed pipeline's definition as the one home of what a job is made of."""

import pytest

from ops.errors import OperatorError
from ops.work.definition import DATASET, RUN_ID, referred
from tests.ops.work.pipeline import ROLES, deployed


def test_references_become_what_is_known():
    found = deployed().arguments("Prepare", {RUN_ID: "mine", DATASET: "dataset/dogs"})
    assert found["RoleArn"] == ROLES["Prepare"]
    assert found["ProcessingInputs"][0]["S3Input"]["S3Uri"] == "s3://the-bucket/dataset/dogs/"
    (output,) = found["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == "s3://the-bucket/runs/mine/data"


def test_a_reference_that_nobody_knows_is_a_sentence():
    with pytest.raises(OperatorError, match=f"Step Prepare of the deployed pipeline refers to {DATASET}, which this"):
        deployed().arguments("Prepare", {RUN_ID: "mine"})


def test_a_step_that_is_not_there_is_a_sentence():
    with pytest.raises(OperatorError, match="The deployed pipeline has no step Bake"):
        deployed().step("Bake")


def test_steps_behind_conditions_are_found():
    assert [step["Name"] for step in deployed().steps][-3:] == ["Decide", "Register", "Refuse"]


def test_what_is_behind_a_condition_refers_for_itself():
    steps = {step["Name"]: referred(step["Arguments"]) for step in deployed().steps}
    assert steps["Train"] == {"Prepare", "Tune"}
    assert steps["Decide"] == {"Evaluate"}
