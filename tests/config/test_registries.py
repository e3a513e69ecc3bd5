"""Where AWS keeps its training images, compared with the table that its own Python package carries."""

import json
import subprocess
import sys
import zipfile

import pytest

from config import registries

pytestmark = pytest.mark.slow
# The one file of it that is read needs none of what it would bring along, which is 300 MB.
PACKAGE = "sagemaker-core==2.27.0 --hash=sha256:62e5b4e2296dd26c042f28d26b9292501cdcf0c83a02656e280d61f132114312"
TABLE, VERSION = "sagemaker/core/image_uri_config/pytorch-amzn2023.json", "2.13"
# Partitions that no CDK app of this kind is deployed to by its stage file alone.
ELSEWHERE = ("us-iso", "eu-iso", "eusc-")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sagemaker")
    (folder / "wanted.txt").write_text(PACKAGE)
    options = ["--no-deps", "--require-hashes", "--quiet", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(folder / "wanted.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(archive.read(TABLE))["training"]["versions"][VERSION]


def test_accounts_are_those_that_aws_publishes(published):
    theirs = {
        region: account for region, account in published["registries"].items() if not region.startswith(ELSEWHERE)
    }
    ours = {region: registries.training_account(region) for region in theirs}
    assert ours == theirs


def test_no_region_is_ours_alone(published):
    assert registries._TRAINING_ACCOUNTS.keys() <= published["registries"].keys()


def test_images_are_those_that_aws_publishes(published):
    for kind, tag in published["container_version"].items():
        image = registries.training_image("us-east-1", gpu=kind == "gpu")
        assert image.split("/")[1] == f"{published['repository']}:{VERSION}-{tag}"
