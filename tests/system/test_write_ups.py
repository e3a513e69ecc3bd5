"""Whole stages on an embedded AWS each: deployed, asked for a prediction, and taken away again."""

import shutil

import pytest
from cryptography.hazmat.primitives import serialization

from local import control
from ops import cdk, destroy
from ops.__main__ import main
from tests.lambda_src.certificates import make_authority
from tests.local.test_http_api_rules import issuer, token  # noqa: F401 - the first is a fixture
from tests.system.deployed import NETWORK, Deployed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("write-ups")]


@pytest.fixture
def system(tmp_path):
    running = control.start(state=tmp_path / "aws", port=0)
    try:
        made = Deployed(running, tmp_path)
        made.bootstrap()
        yield made
    finally:
        control.stop(tmp_path / "aws")


def assert_it_predicts(system: Deployed, **more: str) -> None:
    answer = system.call("POST", "/predict", system.sample.read_bytes(), **more)
    assert answer.status == 200, answer.body
    assert answer.json()["predictions"][0]["label"] == system.sample.stem


def assert_it_goes(system: Deployed, monkeypatch) -> None:
    with monkeypatch.context() as found:
        # Not for `stop`, which asks the same until nothing runs any more.
        found.setattr(control, "running", lambda _home: system.running)
        found.setattr(destroy, "NOTES", system.logs)
        assert main(["destroy", "--stage", "local", "--yes"]) == 0
    left = system.root.client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in left if not stack["StackStatus"].startswith("DELETE")] == ["CDKToolkit"]


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_write_up_is_deployed_predicts_and_goes(name, system, monkeypatch):
    project = system.changed_project()
    shutil.copy(cdk.ROOT / "tests" / "stages" / f"{name}.toml", project / "config" / "local.toml")
    system.deploy(project=project)
    assert_it_predicts(system)
    assert_it_goes(system, monkeypatch)


@pytest.fixture(scope="module")
def certificate_authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(certificate_authority, tmp_path, monkeypatch):
    """Asked for before the embedded AWS starts, which believes the authorities that the machine does."""
    path = tmp_path / "authority.pem"
    path.write_bytes(certificate_authority.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def test_stage_inside_its_network_is_deployed_predicts_by_token_and_goes(trusted, issuer, system, monkeypatch):  # noqa: F811
    tokens = {"issuer": issuer, "audience": ["whippet"], "scopes": ["predict"]}
    system.deploy(system.changed(network__isolated=True, api__auth="jwt", api__jwt=tokens))
    endpoints = [name for name, place in system.resources(NETWORK).items() if place.startswith("vpce-")]
    assert len(endpoints) == 6
    assert system.call("POST", "/predict", system.sample.read_bytes()).status == 401
    assert_it_predicts(system, Authorization=f"Bearer {token(issuer)}")
    assert_it_goes(system, monkeypatch)
