"""`[training.weights]` on the embedded AWS: trials and training begin from a file in the bucket, under their own roles."""

import hashlib
import io
import json
import tarfile
import uuid

import pytest
import torch

from tests.local.runs import over
from tests.system.deployed import TRAINING
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


def test_a_run_begins_from_the_weights_in_the_bucket_with_the_stage_files_hyperparameters(deployed, sha256):
    sagemaker = deployed.root.client("sagemaker")
    arn = sagemaker.start_pipeline_execution(
        PipelineName=deployed.pipeline,
        PipelineParameters=[{"Name": "DatasetPrefix", "Value": DATASET}],
        ClientRequestToken=uuid.uuid4().hex,
    )["PipelineExecutionArn"]
    found, steps = over(deployed.root, arn, LATEST_SECONDS)
    assert found["PipelineExecutionStatus"] == "Succeeded", steps
    name = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/")[-1]
    job = sagemaker.describe_training_job(TrainingJobName=name)
    told = metadata(deployed.root.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"])["hyperparameters"]
    assert told["weights"]["sha256"] == sha256
    assert {key: told[key] for key in HYPERPARAMETERS} == HYPERPARAMETERS
    assert told["label_smoothing"] in (0.05, 0.1)


def metadata(s3, uri):
    """What the artefact says of itself."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return json.load(archive.extractfile("model.json"))
