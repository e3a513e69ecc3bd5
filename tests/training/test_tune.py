"""The local tuner: the stage file's space, resumable, each trial as it would run on SageMaker."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config import load_stage
from tests.training.jobs import ROOT
from training import tune
from training.errors import TrainingError
from training.space import Objective, read_objective, read_space

SPACE = """
[[training.tuning.space]]
name = "learning_rate"
range = [0.0005, 0.02]
scale = "logarithmic"

[[training.tuning.space]]
name = "batch_size"
values = [16, 32]
"""


@pytest.fixture
def stage_file(tmp_path: Path) -> Path:
    (tmp_path / "stage.toml").write_text(SPACE)
    return tmp_path / "stage.toml"


class Tuner:
    """The tuner in this process, with trials that answer at once."""

    def __init__(self, stage_file: Path, out: Path) -> None:
        self.words = ["--stage-file", str(stage_file), "--out", str(out), "--train", "t", "--valid", "v"]
        self.out = out
        self.tried: list[list[str]] = []

    def answer(self, words: list[str], _log: Path, _objective: Objective) -> tuple[float | None, str]:
        self.tried.append(words)
        rate = float(words[words.index("--learning-rate") + 1])
        return 1 - abs(rate - 0.005), ""

    def rates(self) -> list[str]:
        return [words[words.index("--learning-rate") + 1] for words in self.tried]

    def table(self) -> list[dict[str, str]]:
        with (self.out / "trials.csv").open() as file:
            return list(csv.DictReader(file))


@pytest.fixture
def tuner(stage_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tuner:
    found = Tuner(stage_file, tmp_path / "out")
    monkeypatch.setattr(tune, "attempt", found.answer)
    return found


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_the_space_is_the_one_that_the_pipeline_searches(stage: str) -> None:
    config, _ = load_stage(stage)
    ours = read_space(ROOT / "config" / f"{stage}.toml")
    theirs = config.training.tuning.space
    assert [(one.flag, list(one.range or ()), one.logarithmic, list(one.values)) for one in ours] == [
        ("--" + one.name.replace("_", "-"), one.range or [], one.scale == "logarithmic", one.values or [])
        for one in theirs
    ]


def test_trials_are_judged_by_what_the_pipeline_judges_them_by() -> None:
    objective = read_objective()
    assert (objective.name, objective.direction) == ("best_valid_accuracy", "maximize")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = ", "not readable"),
        ("[training]", "it has no [[training.tuning.space]]; add one"),
        (
            "[[training.tuning.space]]\nrange = [1, 2]",
            "space[0].name is missing; it must name a flag, as learning_rate",
        ),
        (
            '[[training.tuning.space]]\nname = "epochs"\nrange = [2, 1]',
            "range = [2, 1]: it must be a number, then a larger",
        ),
        (
            '[[training.tuning.space]]\nname = "epochs"\nrange = [0, 1]\nscale = "logarithmic"',
            "it must be a number above 0, then a larger one",
        ),
        ('[[training.tuning.space]]\nname = "epochs"\nscale = "odd"', 'scale = "odd": allowed are linear, logarithmic'),
        (
            '[[training.tuning.space]]\nname = "epochs"\nvalues = [3]',
            "epochs needs a range of two numbers, or two or more",
        ),
    ],
)
def test_a_space_that_cannot_be_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "stage.toml").write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_space(tmp_path / "stage.toml")
    assert sentence in str(caught.value) and "stage.toml" in str(caught.value)


def test_values_stay_within_the_space_and_are_handed_over_as_flags(tuner: Tuner) -> None:
    assert tune.main([*tuner.words, "--trials", "8"]) == 0
    assert all(0.0005 <= float(rate) <= 0.02 for rate in tuner.rates())
    assert {words[words.index("--batch-size") + 1] for words in tuner.tried} <= {"16", "32"}
    assert all(words[words.index("--trial") + 1] == "true" for words in tuner.tried)


def test_best_trial_comes_first_and_its_command_is_shown(tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main([*tuner.words, "--trials", "6"]) == 0
    table = tuner.table()
    values = [float(row["best_valid_accuracy"]) for row in table]
    assert len(values) == 6 and values == sorted(values, reverse=True)
    *_, command = capsys.readouterr().out.splitlines()
    assert command == (
        "python -m training.train --train t --valid v "
        f"--learning-rate {table[0]['learning-rate']} --batch-size {table[0]['batch-size']}"
    )


def test_a_search_goes_on_where_it_was(tuner: Tuner) -> None:
    assert tune.main([*tuner.words, "--trials", "3"]) == 0
    assert tune.main([*tuner.words, "--trials", "5"]) == 0
    assert len(tuner.tried) == 5
    assert tune.main([*tuner.words, "--trials", "5"]) == 0
    assert len(tuner.tried) == 5


def test_an_interrupted_search_tries_what_an_uninterrupted_one_does(
    stage_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight, broken = (Tuner(stage_file, tmp_path / name) for name in ("straight", "broken"))
    monkeypatch.setattr(tune, "attempt", straight.answer)
    assert tune.main([*straight.words, "--trials", "7"]) == 0

    def interrupted(words: list[str], log: Path, objective: Objective) -> tuple[float | None, str]:
        if len(broken.tried) == 3:
            raise KeyboardInterrupt
        return broken.answer(words, log, objective)

    monkeypatch.setattr(tune, "attempt", interrupted)
    assert tune.main([*broken.words, "--trials", "7"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(tune, "attempt", broken.answer)
    assert tune.main([*broken.words, "--trials", "7"]) == 0
    assert broken.rates() == straight.rates()


def test_another_searchs_folder_is_refused(tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main([*tuner.words, "--trials", "1"]) == 0
    assert tune.main([*tuner.words, "--trials", "2", "--epochs", "3"]) == 1
    assert "it holds another search; other are its flags; name another folder" in capsys.readouterr().err
    assert len(tuner.tried) == 1


def test_a_flag_that_is_varied_may_not_be_fixed_too(tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main([*tuner.words, "--batch-size", "8"]) == 1
    assert "--batch-size: " in capsys.readouterr().err
    assert tuner.tried == []


def test_a_wrong_flag_is_told_before_the_first_trial(tuner: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main([*tuner.words, "--epoks", "8"]) == 1
    assert "--epoks" in capsys.readouterr().err
    assert not tuner.out.exists()


def test_a_trial_that_fails_by_itself_is_kept_with_its_reason(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([(None, "the loss became nan"), (0.5, ""), (0.7, "")])
    monkeypatch.setattr(tune, "attempt", lambda *_all: next(answers))
    assert tune.main([*tuner.words, "--trials", "3"]) == 0
    assert [row["reason"] for row in tuner.table()] == ["", "", "the loss became nan"]
    assert "trial 1 of 3: failed: the loss became nan" in capsys.readouterr().out


def test_trials_that_all_fail_end_the_search(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tune, "attempt", lambda *_all: (None, "no such folder"))
    assert tune.main([*tuner.words, "--trials", "50"]) == 1
    assert "the first 5 trials all failed, the last one saying: no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trial_is_a_training_whose_log_holds_its_number(pictures: Path, tmp_path: Path) -> None:
    flags = ["--train", str(pictures / "train"), "--valid", str(pictures / "valid"), "--model-dir", str(tmp_path / "m")]
    flags += ["--trial", "true", "--epochs", "1", "--input-size", "16", "--threads", "1"]
    value, reason = tune.attempt(flags, tmp_path / "log", read_objective())
    assert value is not None and 0 <= value <= 1 and reason == ""
    value, reason = tune.attempt([*flags, "--train", "/nowhere"], tmp_path / "log", read_objective())
    assert value is None and reason.startswith("/nowhere: no such folder")


@pytest.mark.slow
def test_a_killed_search_goes_on(pictures: Path, stage_file: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "training.tune", "--stage-file", str(stage_file), "--out", str(tmp_path / "out")]
    words += ["--train", str(pictures / "train"), "--valid", str(pictures / "valid"), "--trials", "4"]
    words += ["--epochs", "2", "--input-size", "16", "--threads", "1"]
    for signal_number, status in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        logs = set((tmp_path / "out").glob("trial-*.log"))
        while not set((tmp_path / "out").glob("trial-*.log")) - logs:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal_number)
        process.communicate(timeout=60)
        assert process.returncode == status
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
