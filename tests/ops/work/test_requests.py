"""What SageMaker is asked for: the deployed definition's own arguments, and the operator's wishes in them."""

import re
from dataclasses import replace

import boto3
import pytest

from config.load import ConfigError
from ops.errors import OperatorError
from ops.work.datasets import DataSet
from ops.work.prepared import Prepared, inputs, output
from ops.work.requests import (
    LONGEST_TUNING_NAME,
    computing_features,
    needs_features,
    new_name,
    preparing,
    training,
    tuning,
    validated,
)
from ops.work.wishes import Wish, assignments, settings
from tests.ops.work.pipeline import ROLES, deployed
from tests.ops.work.pipeline import settings as stage_file

PREPARED = Prepared("s3://the-bucket/runs/r/data", "r")


@pytest.fixture(scope="module")
def sagemaker():
    return boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


def trained(tuned=None, **wishes):
    config, _ = settings(stage_file(), Wish(**wishes))
    return training(deployed(), "job", PREPARED, config=config, wish=Wish(**wishes), tuned=tuned or {})


def test_a_training_is_the_pipelines_own_but_for_its_places():
    found = trained()
    own = deployed().step("Train")["Arguments"]
    for same in ("RoleArn", "AlgorithmSpecification", "ResourceConfig", "StoppingCondition", "EnableNetworkIsolation"):
        assert found[same] == own[same]
    assert found["RoleArn"] == ROLES["Train"]
    channels = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in found["InputDataConfig"]}
    assert channels["test"] == "s3://the-bucket/runs/r/data/test/"
    assert channels["code"] == "s3://assets/code.tar.gz"
    # Where the step's role may write, and where no other job does.
    assert found["OutputDataConfig"]["S3OutputPath"] == "s3://the-bucket/runs/job/training"
    assert found["CheckpointConfig"]["S3Uri"] == "s3://the-bucket/runs/job/checkpoints/train"


def test_the_tuned_win_over_the_stage_file_and_the_operator_over_both():
    asked = {"weight_decay": 0.5}
    found = trained(tuned={"learning-rate": "0.003", "weight-decay": "0.1"}, hyperparameters=asked)["HyperParameters"]
    assert (found["learning-rate"], found["weight-decay"]) == ("0.003", "0.5")
    assert trained()["HyperParameters"]["learning-rate"] == str(stage_file().training.hyperparameters.learning_rate)


def test_instances_and_spot_are_the_operators():
    found = trained(instances=3, spot=True)
    assert found["ResourceConfig"]["InstanceCount"] == 3
    assert found["EnableManagedSpotTraining"] is True
    stopping = found["StoppingCondition"]
    assert stopping["MaxWaitTimeInSeconds"] == 2 * stopping["MaxRuntimeInSeconds"]


def test_without_spot_nothing_waits_for_it():
    found = trained(spot=False)
    assert found["EnableManagedSpotTraining"] is False
    assert "MaxWaitTimeInSeconds" not in found["StoppingCondition"]


def test_a_gpu_trains_in_the_image_for_gpus():
    raw = stage_file().model_dump(by_alias=True, exclude_none=True)
    raw["training"]["encrypt_volume"] = False
    config = type(stage_file()).model_validate(raw)
    wish = Wish(instance_type="ml.g5.xlarge")
    found = training(deployed(config), "job", PREPARED, config=config, wish=wish, tuned={})
    assert "cu133" in found["AlgorithmSpecification"]["TrainingImage"]


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"instances": 0}, "training.instance_count = 0: must be greater than or equal to 1"),
        ({"instance_type": "ml.g4dn.xlarge"}, "keeps its data on local NVMe"),
        ({"instance_type": "m5.xlarge"}, "training.instance_type"),
        ({"hyperparameters": {"epochs": 0}}, "training.hyperparameters.epochs = 0"),
        ({"hyperparameters": {"epoch": 3}}, "epoch is not a key; did you mean epochs"),
        ({"hyperparameters": {"batch_size": 2}, "instances": 3}, "is below training.instance_count = 3"),
    ],
)
def test_what_the_stage_file_could_not_say_nobody_can_wish(wishes, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        settings(stage_file(), Wish(**wishes))


def test_wishes_bring_the_warnings_that_they_cause_and_no_others():
    raw = stage_file().model_dump(by_alias=True, exclude_none=True)
    raw["training"]["processing"]["instance_type"] = "ml.t3.xlarge"
    assert settings(type(stage_file()).model_validate(raw), Wish())[1] == []
    (warning,) = settings(stage_file(), Wish(instance_type="ml.t3.large"))[1]
    assert "is burstable" in warning


def test_a_tuning_takes_the_space_of_the_stage_file(sagemaker):
    config, _ = settings(stage_file(), Wish(jobs=1), tuning=True)
    found = tuning(deployed(), "tune", PREPARED, config, Wish(jobs=1, spot=True, hyperparameters={"epochs": 2}))
    own = deployed().step("Tune")["Arguments"]["HyperParameterTuningJobConfig"]
    told = found["HyperParameterTuningJobConfig"]
    assert told["ParameterRanges"] == own["ParameterRanges"]
    assert told["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    assert found["TrainingJobDefinition"]["StaticHyperParameters"]["epochs"] == "2"
    validated(sagemaker, "CreateHyperParameterTuningJob", found)


def test_what_trials_vary_cannot_be_set():
    wish = Wish(hyperparameters={"learning_rate": 0.1})
    with pytest.raises(OperatorError, match="--set learning-rate: the trials vary it"):
        tuning(deployed(), "tune", PREPARED, stage_file(), wish)


def test_requests_have_the_shapes_of_their_calls(sagemaker):
    from datetime import UTC, datetime  # noqa: PLC0415

    validated(sagemaker, "CreateTrainingJob", trained(instances=2, spot=True))
    data = DataSet("the-bucket", "dogs", datetime.now(UTC))
    validated(sagemaker, "CreateProcessingJob", preparing(deployed(), "prepare", data))
    with pytest.raises(OperatorError, match="CreateTrainingJob would refuse this: .*InstanceCount"):
        validated(sagemaker, "CreateTrainingJob", trained() | {"ResourceConfig": {"InstanceCount": "2"}})


def test_names_begin_as_the_stages_own_jobs_and_fit():
    name = new_name("whippet-dev-", "train")
    assert re.fullmatch(r"whippet-dev-train-\d{4}-\d{6}[a-z0-9]{2}", name)
    assert len({new_name("whippet-dev-", "train") for _ in range(20)}) > 1
    long = new_name("a-project-of-twenty-chr-production12-", "tune", LONGEST_TUNING_NAME)
    assert len(long) <= LONGEST_TUNING_NAME
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", long)


def test_assignments_are_numbers_booleans_or_texts():
    words = ["epochs=3", "learning-rate=1e-3", "flip=false", "augment=trivial"]
    assert assignments(words) == {"epochs": 3, "learning_rate": 0.001, "flip": False, "augment": "trivial"}
    with pytest.raises(OperatorError, match="--set epochs: say NAME=VALUE"):
        assignments(["epochs"])


def frozen(**wishes):
    config = stage_file(stage="head")
    return deployed(config), config, Wish(**wishes)


def channels(job):
    return {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in job["InputDataConfig"]}


def test_a_head_is_trained_on_the_features_that_the_pipeline_computes():
    definition, config, wish = frozen()
    assert needs_features(definition, wish)
    asked = computing_features(definition, "features", PREPARED)
    assert inputs(asked)["train"] == "s3://the-bucket/runs/r/data/train/"
    assert output(asked, "features") == "s3://the-bucket/runs/features/features"
    known = replace(PREPARED, features="s3://the-bucket/runs/features/features")
    job = training(definition, "job", known, config=config, wish=wish, tuned={})
    assert channels(job)["features"] == "s3://the-bucket/runs/features/features/"
    trial = tuning(definition, "tune", known, config, wish)["TrainingJobDefinition"]
    assert "features" in channels(trial)


def test_features_of_another_network_are_left_out():
    definition, config, wish = frozen(hyperparameters={"input_size": 96})
    assert not needs_features(definition, wish)
    job = training(definition, "job", PREPARED, config=config, wish=wish, tuned={})
    assert {"train", "valid", "test"} <= channels(job).keys()
    assert "features" not in channels(job)
    with pytest.raises(OperatorError, match="--set input-size: the trials of this stage see features of another"):
        tuning(definition, "tune", PREPARED, config, wish)


def test_a_network_that_learns_as_a_whole_needs_no_features():
    assert not needs_features(deployed(), Wish())
