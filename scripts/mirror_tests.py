"""moto's own tests, run against an embedded AWS instead of against moto: a plugin of pytest, for scripts/mirror.py.

`mock_aws` does nothing; every test finds the account empty but for the roles that moto's tests name.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import moto
import pytest

ROLES = ("/:FakeRole", "/:FooRole", "/:SageMakerRole", "/service-role/:AmazonSageMaker-TestExecutionRole")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
RESULTS = "MIRROR_RESULTS"


class NoMock:
    """A decorator of functions and classes, with arguments or without, and a context, that does nothing."""

    def __call__(self, decorated: object = None, **settings: object) -> object:
        return self if decorated is None else decorated

    def __enter__(self) -> "NoMock":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


# Before moto's tests import it.
moto.mock_aws = NoMock()


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[], dict[str, str]]]:
    """Another embedded AWS at each call, by the project's Python."""
    command = json.loads(os.environ["MIRROR_SERVERS"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def another() -> dict[str, str]:
            process.stdin.write("\n")
            process.stdin.flush()
            return dict(json.loads(process.stdout.readline()))

        yield another
        process.stdin.close()


@pytest.fixture(autouse=True)
def empty_account(servers: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in servers().items():
        monkeypatch.setenv(name, value)
    # A session keeps what the one before it was told.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    iam = boto3.client("iam", region_name="us-east-1")
    for role in ROLES:
        path, name = role.split(":")
        iam.create_role(Path=path, RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))


class Outcomes:
    """What each test came to, and the last line of what it said."""

    def __init__(self, path: Path) -> None:
        self.path, self.found = path, dict[str, str]()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = f"{Path(report.fspath).name}::{report.nodeid.split('::', 1)[1]}"
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.found[name] = crash.message if crash else str(report.longrepr)
        elif report.when == "call":
            self.found.setdefault(name, "passed" if report.passed else "skipped")

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(self.found))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Outcomes(Path(os.environ[RESULTS])))
