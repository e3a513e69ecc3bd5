"""The write-ups' stages on an embedded AWS each: deployed, asked for a prediction, and taken away again."""

import shutil

import pytest

from local import control
from ops import cdk, destroy
from ops.__main__ import main
from tests.system.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("write-ups")]


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_write_up_is_deployed_predicts_and_goes(name, tmp_path, monkeypatch):
    running = control.start(state=tmp_path / "aws", port=0)
    monkeypatch.setattr(destroy, "NOTES", tmp_path)
    try:
        system = Deployed(running, tmp_path)
        project = system.changed_project()
        shutil.copy(cdk.ROOT / "tests" / "stages" / f"{name}.toml", project / "config" / "local.toml")
        system.bootstrap()
        system.deploy(project=project)
        answer = system.call("POST", "/predict", system.sample.read_bytes())
        assert answer.status == 200
        assert answer.json()["predictions"][0]["label"] == system.sample.stem
        with monkeypatch.context() as found:
            # Not for `stop` below, which asks the same until nothing runs any more.
            found.setattr(control, "running", lambda _home: running)
            assert main(["destroy", "--stage", "local", "--yes"]) == 0
        left = system.root.client("cloudformation").describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in left if not stack["StackStatus"].startswith("DELETE")] == ["CDKToolkit"]
    finally:
        control.stop(tmp_path / "aws")
