"""The pipeline where a network is frozen: its features are computed once, by a step of its own, and go to all jobs."""

import json
import re

import pytest

from config import load_stage
from config.sections.training import Weights
from stacks.constructs.pipeline_steps import OF_FEATURES
from stacks.constructs.step_data import steps_of
from tests.stacks import pipelines, variants
from tests.stacks.permissions.training import TRUST, frozen_roles
from tests.stacks.pipelines import WEIGHTS, job, shape_faults, uri
from tests.stacks.test_permissions import plain, roles, statements
from training.arguments import parse
from training.tune import FEATURES_DEPEND_ON

pytestmark = pytest.mark.xdist_group("synth")
FEATURES = "<Steps.Features.ProcessingOutputConfig.Outputs['features'].S3Output.S3Uri>/"


@pytest.fixture(scope="module")
def frozen():
    return variants.rooms(training__hyperparameters__stage="head", training__weights=WEIGHTS)["training"]


def config_with(stage, **changes):
    found = load_stage("dev")[0].training
    return found.model_copy(
        update={"hyperparameters": found.hyperparameters.model_copy(update={"stage": stage}), **changes}
    )


def channels(template, step):
    found = job(template, step)["InputDataConfig"]
    return {one["ChannelName"]: uri(one["DataSource"]["S3DataSource"]["S3Uri"]) for one in found}


def test_features_are_computed_after_the_data_is_prepared_and_before_the_trials(frozen):
    names = [step["Name"] for step in pipelines.definition(frozen)["Steps"]]
    assert names == ["Prepare", "Features", "Tune", "Train", "Evaluate", "Decide"]
    for step in ("Features", "Tune", "Train"):
        assert shape_faults(pipelines.steps(frozen)[step]) == ""


def test_a_trial_gets_features_and_no_picture(frozen):
    found = channels(frozen, "Tune")
    assert set(found) == {"features", "code", "weights"}
    assert found["features"] == FEATURES


def test_the_final_training_gets_them_beside_the_pictures_that_it_is_scored_on(frozen):
    found = channels(frozen, "Train")
    assert set(found) == {"train", "valid", "test", "features", "code", "weights"}
    assert found["features"] == FEATURES


def test_the_step_reads_what_trials_would_have_read_and_leaves_its_output_with_the_run(frozen):
    found = pipelines.arguments(frozen, "Features")
    inputs = {one["InputName"]: uri(one["S3Input"]["S3Uri"]) for one in found["ProcessingInputs"]}
    prepared = "<Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri>"
    del inputs["code"]
    assert inputs == {
        "train": f"{prepared}/train/",
        "valid": f"{prepared}/valid/",
        "weights": f"s3://BUCKET/{WEIGHTS['key']}",
    }
    (output,) = found["ProcessingOutputConfig"]["Outputs"]
    assert uri(output["S3Output"]["S3Uri"]) == "s3://BUCKET/runs/<Execution.PipelineExecutionId>/features"


def test_the_step_is_told_every_flag_that_features_depend_on_as_the_trials_are(frozen):
    """A flag that only one of them is told would make features of another network, and every trial refuse them."""
    application = pipelines.arguments(frozen, "Features")["AppSpecification"]
    assert re.search(r"exec python3 -m training.precompute ", application["ContainerEntrypoint"][2])
    told = [word.replace("SHA256", WEIGHTS["sha256"]) for word in application["ContainerArguments"]]
    assert set(told) >= FEATURES_DEPEND_ON
    computed = parse([*told, "--trial", "true", "--model-dir", "x"], "")
    flags = {
        name: value
        for name, value in job(frozen, "Tune")["StaticHyperParameters"].items()
        if not name.startswith("sagemaker_")
    }
    trial = parse(
        [word for name, value in flags.items() for word in (f"--{name}", value.replace("SHA256", WEIGHTS["sha256"]))]
        + ["--train", "x", "--valid", "x", "--model-dir", "x"],
        "",
    )
    for name in (*OF_FEATURES, "weights_sha256"):
        assert getattr(computed, name) == getattr(trial, name), name
    assert computed.weights == "/opt/ml/processing/weights"


def test_roles_may_do_what_the_table_says_and_nothing_else(frozen):
    found = {name: statements(role) for name, role in roles(frozen).items()}
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(frozen_roles()).replace("STAGE", "dev"))
    (trust,) = roles(frozen)["FeaturesRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    who, condition = TRUST["FeaturesRole"]
    assert (plain(trust["Principal"]), plain(trust["Condition"])) == ({"Service": who}, condition)


def test_with_both_stages_trials_read_pictures_as_well():
    found = steps_of(config_with("both"))
    assert list(found) == ["Prepare", "Features", "Tune", "Train", "Evaluate"]
    assert list(found["Tune"][1].reads) == ["runs/*/data/train", "runs/*/data/valid", "runs/*/features"]


def test_what_is_trained_whole_has_no_such_step_and_its_weights_go_to_trials_and_training_alone():
    found = steps_of(config_with("finetune", weights=Weights(**WEIGHTS)))
    assert list(found) == ["Prepare", "Tune", "Train", "Evaluate"]
    assert {step: list(data.files) for step, (_, data) in found.items() if data.files} == {
        step: [WEIGHTS["key"]] for step in ("Tune", "Train")
    }
    assert "features" not in str(found)
