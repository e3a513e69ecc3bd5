"""A pushed data set starts the pipeline, once, in the deployed system: object -> rule -> intake -> run."""

import json
import time

import pytest

from tests.local.runs import over
from tests.system.deployed import TRAINING

pytestmark = pytest.mark.xdist_group("deployed")
LATEST_SECONDS = 20
MANIFEST = {"format": 1, "pictures": 1, "sha256": "ab" * 32}


def runs(deployed):
    client = deployed.root.client("sagemaker")
    found = client.list_pipeline_executions(PipelineName=deployed.pipeline)["PipelineExecutionSummaries"]
    return {one["PipelineExecutionArn"]: one for one in found}


def push(deployed, name, manifest=MANIFEST, file="manifest.json"):
    body = json.dumps(manifest).encode()
    deployed.root.client("s3").put_object(Bucket=deployed.bucket, Key=f"dataset/{name}/{file}", Body=body)


def started(deployed, before):
    deadline = time.monotonic() + LATEST_SECONDS
    while not (new := runs(deployed).keys() - before):
        assert time.monotonic() < deadline, "nothing was started"
        time.sleep(0.1)
    return [runs(deployed)[arn] for arn in new]


def test_a_manifest_starts_one_run_of_its_data_set_and_pictures_none(deployed):
    before = runs(deployed).keys()
    push(deployed, "dogs", file="train/ring/0001.jpg")
    push(deployed, "dogs")
    (run,) = started(deployed, before)
    assert run["PipelineExecutionDisplayName"].startswith("dogs-")
    found, steps = over(deployed.root, run["PipelineExecutionArn"])
    assert found["PipelineExecutionStatus"] == "Failed"
    # It looked at what lies below the manifest's prefix, under its own role.
    assert "holds train but not valid, test" in steps["Prepare"]["FailureReason"]


def test_a_manifest_that_says_nothing_ends_among_the_failures(deployed):
    before = runs(deployed).keys()
    push(deployed, "cats", {"format": 9})
    deadline = time.monotonic() + LATEST_SECONDS
    while "dataset/cats/manifest.json" not in kept(deployed):
        assert time.monotonic() < deadline, "nothing was kept"
    assert runs(deployed).keys() == before


def kept(deployed):
    """Keys of manifests that started nothing; what the matrix leaves there is no event."""
    found = deployed.root.client("sqs").receive_message(
        QueueUrl=deployed.outputs(TRAINING)["FailedIntakeUrl"], WaitTimeSeconds=1, MaxNumberOfMessages=10
    )
    bodies = [message["Body"] for message in found.get("Messages", [])]
    return [json.loads(body)["requestPayload"]["detail"]["object"]["key"] for body in bodies if body.startswith("{")]
