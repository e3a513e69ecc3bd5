"""One deployment of stage local, shared by every test of the deployed system."""

import contextlib

import pytest

from local import control
from ops import cdk
from tests.system.deployed import Deployed


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What takes the shared deployment away comes last, whatever its file is called."""
    items.sort(key=lambda item: item.path.name == "test_take_away.py")


@pytest.fixture(scope="session")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("system")
    running = control.start(state=folder / "aws", port=0)
    try:
        system = Deployed(running, folder)
        system.bootstrap()
        system.deploy(project=cdk.ROOT)
        system.deploy_image_stack()
        seed(system)
        yield system
    finally:
        control.stop(folder / "aws")


def seed(system: Deployed) -> None:
    """What the matrix reads, pulls and writes to, beside what the stacks made."""
    s3 = system.root.client("s3")
    runs = ("data/train/picture", "data/test/picture", "training/model", "trials/model", "evaluation/evaluation.json")
    seeds = (
        "capture/seed",
        "capture/doomed",
        "models/seed",
        "batch/input/seed",
        "dataset/seed",
        "dataset/seed/picture",
        "dataset/seed/manifest.json",
    )
    for key in (*seeds, *(f"runs/r/{name}" for name in runs)):
        s3.put_object(Bucket=system.bucket, Key=key, Body=b"seed")
    s3.put_object(Bucket=system.model[0], Key="matrix", Body=b"seed")
    logs = system.root.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=system.endpoint_log)
    system.root.client("ecr").create_repository(repositoryName=system.repository)
