"""`python -m ops data` on the deployed system: checked, pushed with S3's own checksums, listed with what came of it."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.operating import operate
from tests.system.test_intake import runs, started

pytestmark = pytest.mark.xdist_group("deployed")
LARGE = "train/002.Beagle/large picture.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes as the dog course names them; one picture is so large that it goes in parts."""
    place = tmp_path_factory.mktemp("dogs")
    draws = np.random.default_rng(1)
    for split in ("train", "valid", "test"):
        for label in ("001.Affenpinscher", "002.Beagle"):
            (place / split / label).mkdir(parents=True)
            noise = draws.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(place / split / label / f"{split} ä.jpg")
    noise = draws.integers(0, 255, (1900, 1900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(place / LARGE, compress_level=0)
    (place / "train" / "002.Beagle" / "broken.png").write_bytes(b"")
    return place


@pytest.fixture(scope="module")
def environment(deployed):
    return {**os.environ, **deployed.environment}


def data(environment, *words):
    return operate(environment, "data", *words, "--stage", "local", "--json")


def test_a_folder_becomes_a_run_exactly_once(deployed, environment, folder):
    before = runs(deployed).keys()
    words = ("push", str(folder), "--name", "breeds")
    refused = data(environment, *words)
    assert (refused.status, "broken.png is empty" in refused.err) == (5, True)

    (folder / "train" / "002.Beagle" / "broken.png").unlink()
    rehearsed = data(environment, *words, "--dry-run").json()
    assert (rehearsed["would_send"], rehearsed["would_delete"]) == (7, 0)
    assert [one for one in data(environment, "status").json()["sets"] if one["name"] == "breeds"] == []

    pushed = data(environment, *words).json()
    assert (pushed["sent"], pushed["labels"]) == (7, ["Affenpinscher", "Beagle"])
    (run,) = started(deployed, before)
    deployed.root.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=run["PipelineExecutionArn"])
    s3 = deployed.root.client("s3")
    large = s3.head_object(Bucket=deployed.bucket, Key=f"dataset/breeds/{LARGE}", ChecksumMode="ENABLED")
    assert (large["ContentLength"], large["ChecksumSHA256"][-2:]) == ((folder / LARGE).stat().st_size, "-2")

    # What is there is known without its manifest, too; and the same manifest starts no second run.
    s3.delete_object(Bucket=deployed.bucket, Key="dataset/breeds/manifest.json")
    assert [one["state"] for one in listed(environment)] == ["unfinished"]
    again = data(environment, *words).json()
    assert (again["sent"], again["there"], again["manifest_written"]) == (0, 7, True)
    assert data(environment, *words).json()["manifest_written"] is False

    (found,) = listed(environment)
    assert (found["state"], found["pictures"], found["classes"]) == ("complete", 7, 2)
    assert (found["splits"], found["sha256"]) == ({"train": 3, "valid": 2, "test": 2}, pushed["sha256"])
    assert found["run"] == run["PipelineExecutionArn"]
    assert runs(deployed).keys() - before == {run["PipelineExecutionArn"]}


def listed(environment):
    return [one for one in data(environment, "status").json()["sets"] if one["name"] == "breeds"]
