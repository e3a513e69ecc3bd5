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


def sooner_or_later(what, look):
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + LATEST_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def started(deployed, before):
    new = sooner_or_later("nothing was started", lambda: runs(deployed).keys() - before)
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
    sooner_or_later("nothing was kept", lambda: "dataset/cats/manifest.json" in kept(deployed))
    assert runs(deployed).keys() == before


def kept(deployed):
    """Keys of manifests that started nothing; what the matrix leaves there is no event."""
    found = deployed.root.client("sqs").receive_message(
        QueueUrl=deployed.outputs(TRAINING)["FailedIntakeUrl"], WaitTimeSeconds=1, MaxNumberOfMessages=10
    )
    bodies = [message["Body"] for message in found.get("Messages", [])]
    return [json.loads(body)["requestPayload"]["detail"]["object"]["key"] for body in bodies if body.startswith("{")]


def tags(deployed, key):
    found = deployed.root.client("s3").get_object_tagging(Bucket=deployed.bucket, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_a_picture_that_is_none_is_tagged_with_the_reason_and_a_good_one_is_left_alone(deployed):
    s3, folder = deployed.root.client("s3"), "dataset/tagged/train/ring"
    s3.put_object(Bucket=deployed.bucket, Key=f"{folder}/good.jpg", Body=deployed.sample.read_bytes())
    s3.put_object(Bucket=deployed.bucket, Key=f"{folder}/a bad+one.jpg", Body=b"<html>")
    s3.put_object(Bucket=deployed.bucket, Key=f"{folder}/empty.PNG", Body=b"")
    refused = {"a bad+one.jpg": "claims to be JPEG and is no picture", "empty.PNG": "empty"}
    for name, reason in refused.items():
        assert sooner_or_later(f"{name} was not tagged", lambda name=name: tags(deployed, f"{folder}/{name}")) == {
            "refused": reason
        }
    assert tags(deployed, f"{folder}/good.jpg") == {}


@pytest.fixture
def redrive(deployed):
    """Switches the queue's way back on and off, as docs/dataset.md tells a person to."""
    functions, mapping = deployed.root.client("lambda"), deployed.outputs(TRAINING)["IntakeRedrive"]

    def switch(*, on):
        functions.update_event_source_mapping(UUID=mapping, Enabled=on)

    yield switch
    switch(on=False)


def waiting(deployed):
    found = deployed.root.client("sqs").get_queue_attributes(
        QueueUrl=deployed.outputs(TRAINING)["FailedIntakeUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_what_failed_is_taken_in_again_once_it_is_mended_and_leaves_the_queue(deployed, redrive):
    before, kept_before = runs(deployed).keys(), waiting(deployed)
    push(deployed, "mended", {**MANIFEST, "pictures": 2})
    sooner_or_later("nothing was kept", lambda: waiting(deployed) > kept_before)
    assert runs(deployed).keys() == before
    for name in ("0001.jpg", "0002.jpg"):
        push(deployed, "mended", file=f"train/ring/{name}")
    redrive(on=True)
    (run,) = started(deployed, before)
    assert run["PipelineExecutionDisplayName"].startswith("mended-")
    sooner_or_later("the queue still holds it", lambda: waiting(deployed) <= kept_before)
    over(deployed.root, run["PipelineExecutionArn"])
