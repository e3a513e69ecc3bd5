"""A frozen network on the embedded AWS: its weights come from the bucket, its features from a step of their own."""

import hashlib
import io
import json
import tarfile
import uuid

import pytest
import torch
from botocore.exceptions import ClientError

from tests.local.runs import over
from tests.system.deployed import TRAINING, Deployed
from training import models
from training.synthetic import SyntheticSet, write_set

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deployed")]
KEY = "weights/before.pth"
DATASET = "dataset/begun"
LATEST_SECONDS = 240
HYPERPARAMETERS = {"stage": "head", "epochs": 2, "mixup": 0.2, "ema": 0.9, "learning_rate": 0.003}


@pytest.fixture
def sha256(deployed, tmp_path):
    """Of weights that lie in the bucket beside a small data set, as the deployed training stack is told."""
    s3 = deployed.root.client("s3")
    torch.save(models.build("small_cnn", 7).state_dict(), tmp_path / "before.pth")
    content = (tmp_path / "before.pth").read_bytes()
    s3.put_object(Bucket=deployed.bucket, Key=KEY, Body=content)
    write_set(tmp_path / "set", SyntheticSet(train=40, valid=20, test=20, seed=5))
    for picture in (tmp_path / "set").glob("*/*/*"):
        key = f"{DATASET}/{picture.relative_to(tmp_path / 'set')}"
        s3.put_object(Bucket=deployed.bucket, Key=key, Body=picture.read_bytes())
    found = hashlib.sha256(content).hexdigest()
    changes = {f"training__hyperparameters__{key}": value for key, value in HYPERPARAMETERS.items()}
    changes |= {
        "training__weights": {"key": KEY, "sha256": found},
        "training__tuning__jobs": 1,
        "training__tuning__space": [{"name": "label_smoothing", "values": [0.05, 0.1]}],
        "training__minimum_accuracy": 0.0,
    }
    deployed.deploy(deployed.changed(**changes), stack=TRAINING)
    yield found
    deployed.deploy(deployed.changed(), stack=TRAINING)


@pytest.fixture
def finished(deployed, sha256):
    """A run on that data set: its id and its steps."""
    arn = deployed.root.client("sagemaker").start_pipeline_execution(
        PipelineName=deployed.pipeline,
        PipelineParameters=[{"Name": "DatasetPrefix", "Value": DATASET}],
        ClientRequestToken=uuid.uuid4().hex,
    )["PipelineExecutionArn"]
    found, steps = over(deployed.root, arn, LATEST_SECONDS)
    assert found["PipelineExecutionStatus"] == "Succeeded", steps
    return arn.rsplit("/")[-1], steps


def test_a_run_begins_from_the_weights_and_its_trials_read_features_alone(deployed, sha256, finished):
    run, steps = finished
    sagemaker, s3 = deployed.root.client("sagemaker"), deployed.root.client("s3")
    name = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/")[-1]
    job = sagemaker.describe_training_job(TrainingJobName=name)
    told = metadata(s3, job["ModelArtifacts"]["S3ModelArtifacts"])["hyperparameters"]
    assert told["weights"]["sha256"] == sha256
    assert {key: told[key] for key in HYPERPARAMETERS} == HYPERPARAMETERS
    assert told["label_smoothing"] in (0.05, 0.1)

    computed = json.load(s3.get_object(Bucket=deployed.bucket, Key=f"runs/{run}/features/features.json")["Body"])
    assert (computed["architecture"], computed["weights"]) == ("small_cnn", sha256)
    tuning = steps["Tune"]["Metadata"]["TuningJob"]["Arn"].rsplit("/")[-1]
    trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    (trial,) = trials["TrainingJobSummaries"]
    read = sagemaker.describe_training_job(TrainingJobName=trial["TrainingJobName"])["InputDataConfig"]
    assert {one["ChannelName"] for one in read} == {"features", "code", "weights"}

    # its names anew: one role more than the shared deployment has
    now = Deployed(deployed.running, deployed.logs)
    picture, held_back = (first_below(s3, deployed.bucket, f"runs/{run}/data/{split}/") for split in ("train", "test"))
    tune, features = (now.session_as(role).client("s3") for role in ("TuneRole", "FeaturesRole"))
    tune.get_object(Bucket=deployed.bucket, Key=f"runs/{run}/features/features.json")
    features.get_object(Bucket=deployed.bucket, Key=picture)
    features.put_object(Bucket=deployed.bucket, Key="runs/r/features/matrix", Body=b"matrix")
    for client, key in ((tune, picture), (features, held_back)):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.get_object(Bucket=deployed.bucket, Key=key)
    for client, key in ((tune, "runs/r/features/matrix"), (features, "runs/r/data/matrix")):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket=deployed.bucket, Key=key, Body=b"matrix")


def first_below(s3, bucket, prefix):
    return s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)["Contents"][0]["Key"]


def metadata(s3, uri):
    """What the artefact says of itself."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return json.load(archive.extractfile("model.json"))
