"""`make demo` as its users see it: what it says, to whom, and how it ends when something fails."""

import io
import json
import sys

import pytest
from rich.console import Console

from local import control
from local.home import LocalError
from ops import demo
from ops.console import Steps
from tests import synth

pytestmark = pytest.mark.xdist_group("deployed")


@pytest.fixture
def quiet_steps():
    return Steps(console=Console(file=io.StringIO(), width=200))


@pytest.fixture
def on_the_deployed_system(deployed, monkeypatch, tmp_path):
    monkeypatch.setattr(control, "start", lambda: deployed.running)
    monkeypatch.setattr(demo, "LOGS", tmp_path)
    return deployed


def test_demo_run_again_changes_nothing_and_predicts(on_the_deployed_system, quiet_steps):
    found = demo.run_demo(quiet_steps)
    said = quiet_steps.console.file.getvalue()
    assert "done before" in said
    assert "nothing to change" in said
    assert found.stacks.keys() == {f"whippet-local-{room}" for room in (*synth.templates("local"), "image")}
    assert len(found.predictions) == 10
    assert all(prediction.label == prediction.image.removesuffix(".jpg") for prediction in found.predictions)


def test_demo_as_json_is_json_alone_on_standard_output(on_the_deployed_system, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["demo", "--json"])
    assert demo.main() == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["page_url"].startswith("http://")
    assert "Predict through API" in err


def test_demo_in_a_log_has_no_control_codes(on_the_deployed_system, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert demo.main() == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "The page, in your browser" in out


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (LocalError("Port 4566 is in use."), 1, "Port 4566 is in use."),
        (KeyboardInterrupt(), 130, "goes on where this stopped"),
    ],
)
def test_demo_ends_in_a_sentence(monkeypatch, capsys, error, status, said):
    def fail():
        raise error

    monkeypatch.setattr(sys, "argv", ["demo"])
    monkeypatch.setattr(control, "start", fail)
    assert demo.main() == status
    assert said in capsys.readouterr().err
