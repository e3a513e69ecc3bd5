"""`make demo` as its users see it: what it says, to whom, and how it ends when something fails."""

import argparse
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass

import pytest
from rich.console import Console

from local import control
from local.home import LocalError
from ops import demo
from ops.__main__ import main
from ops.console import Steps
from ops.models.stage_file import Promoted
from tests.system.deployed import IMAGE, ROOMS
from tests.training.digits import write_digits

pytestmark = pytest.mark.xdist_group("deployed")


@dataclass(frozen=True)
class Ran:
    """What one run of the command left behind: its exit status, and what it said on which stream."""

    status: int
    out: str
    err: str
    found: demo.Demo


@pytest.fixture(scope="module")
def ran(deployed, tmp_path_factory):
    """The demo run again where everything exists, into a log and for a program.

    Instead of minutes of training: the model that is served counts as the one that was registered.
    """
    kept, run_demo, folder = [], demo.run_demo, tmp_path_factory.mktemp("demo")

    def keep(*given):
        kept.append(run_demo(*given))
        return kept[0]

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(control, "start", lambda: deployed.running)
        for name in ("LOGS", "PICTURES", "STAGES"):
            patch.setattr(demo, name, folder / name.lower())
        patch.setattr(demo, "DRAWN", ("--train=2", "--valid=2", "--test=2", "--labels=checkerboard,red_circle"))
        patch.setattr(demo, "train", lambda *given: Promoted("starter", "starter"))
        patch.setattr(demo, "run_demo", keep)
        status = main(["demo", "--json"])
    assert kept, err.getvalue()
    return Ran(status, out.getvalue(), err.getvalue(), kept[0])


def test_demo_run_again_changes_nothing_and_predicts(ran):
    assert ran.status == 0
    assert "done before" in ran.err
    assert "nothing to change" in ran.err
    assert ran.found.stacks.keys() == {*ROOMS, IMAGE}
    assert [one.label for one in ran.found.predictions] == ["checkerboard", "red_circle"]
    assert [ran.found.labels[one.image] for one in ran.found.predictions] == ["checkerboard", "red_circle"]


@pytest.mark.slow
def test_demo_trains_promotes_and_serves_a_model_of_its_own(monkeypatch, tmp_path):
    running = control.start(state=tmp_path / "aws", port=0)
    said = [io.StringIO(), io.StringIO()]
    try:
        for name in ("LOGS", "PICTURES", "STAGES"):
            monkeypatch.setattr(demo, name, tmp_path / name.lower())
        monkeypatch.setattr(control, "start", lambda: running)
        first, second = [demo.run_demo(Steps(console=Console(file=file, width=200))) for file in said]
    finally:
        control.stop(tmp_path / "aws")
    assert {f"  {name}" for name in ("Prepare", "Tune", "Train", "Evaluate", "Decide", "Register")} <= set(
        first.seconds
    )
    assert (first.model_version, second.model_version) == ("1", "1")
    (version,) = {one.model_version for found in (first, second) for one in found.predictions}
    assert not version.startswith("starter")
    assert sorted(first.labels.values()) == ["blue_circle", "checkerboard", "red_circle", "ring"]
    assert "nothing to change" in said[1].getvalue()
    print(first.seconds, second.seconds, first.predictions)


@pytest.mark.slow
def test_demo_takes_pictures_of_ones_own(monkeypatch, tmp_path, capsys):
    """DEMO_DATA=DIR make demo, with scans of handwritten digits."""
    write_digits(tmp_path / "digits")
    running = control.start(state=tmp_path / "aws", port=0)
    try:
        for name in ("LOGS", "PICTURES", "STAGES"):
            monkeypatch.setattr(demo, name, tmp_path / name.lower())
        monkeypatch.setattr(control, "start", lambda: running)
        monkeypatch.setenv("DEMO_DATA", str(tmp_path / "digits"))
        assert demo.run(argparse.Namespace(json=True)) == 0
    finally:
        control.stop(tmp_path / "aws")
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert sorted(found["labels"].values()) == sorted("0123456789")
    assert "Look at your pictures" in said.err
    assert "1797 pictures of 10 classes" in said.err
    right = [one for one in found["predictions"] if found["labels"][one["image"]] == one["label"]]
    print(found["seconds"], f"{len(right)} of {len(found['predictions'])} right")
    # Ten pictures tell little of a network's accuracy; the run itself has refused one below the stage file's minimum.
    assert len(right) >= 5


def test_demo_as_json_is_json_alone_on_standard_output(ran):
    assert json.loads(ran.out) == json.loads(json.dumps(asdict(ran.found)))
    assert json.loads(ran.out)["page_url"].startswith("http://")
    assert "Predict through API" in ran.err


def test_demo_in_a_log_has_no_control_codes(ran, capsys):
    demo.show(ran.found)
    shown = capsys.readouterr().out
    assert "\x1b" not in ran.err + shown
    assert "The page, in your browser" in shown


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

    monkeypatch.setattr(control, "start", fail)
    assert main(["demo"]) == status
    assert said in capsys.readouterr().err
