"""A run that is killed, stopped or damaged goes on to the weights that it would have come to."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.training.jobs import ROOT
from training import checkpoints
from training.checkpoints import Checkpoints, identity

QUICK = ("--epochs", "4", "--batch-size", "16", "--input-size", "32", "--checkpoint-seconds", "0")


def killed(pictures: Path, folder: Path, *flags: str, kills: int, seed: int = 1) -> dict[str, str]:
    words = [
        sys.executable,
        "-m",
        "tests.training.interrupted",
        str(pictures),
        str(folder),
        str(kills),
        str(seed),
        *flags,
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"(\w+)=(\w+)", done.stdout))


@pytest.mark.slow
def test_killed_run_ends_with_the_same_weights(pictures: Path, tmp_path: Path) -> None:
    found = killed(pictures, tmp_path, *QUICK, kills=2)
    assert found["same"] == "True"
    assert int(found["resumed"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--ema", "0.9", "--mixup", "0.3", "--cutmix", "1", "--augment", "trivial", "--clip-norm", "1"),
        ("--stage", "both", "--layer-decay", "0.8", "--freeze-norm", "true"),
    ],
    ids=["plain", "everything", "both-stages"],
)
def test_run_killed_many_times_ends_with_the_same_weights(
    pictures: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    found = killed(pictures, tmp_path, *QUICK, "--epochs", "12", *flags, kills=30, seed=7)
    assert found["same"] == "True"
    assert int(found["killed"]) >= 10
    assert int(found["resumed"]) >= 5


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_says_how_to_go_on(pictures: Path, tmp_path: Path) -> None:
    folders = [word for name in ("train", "valid", "test") for word in (f"--{name}", str(pictures / name))]
    words = [sys.executable, "-W", "error", "-m", "training.train", *folders, "--model-dir", str(tmp_path / "model")]
    words += ["--checkpoints", str(tmp_path / "kept"), "--threads", "1", "--epochs", "2000", "--batch-size", "16"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while "epoch=2 " not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert re.match(
        r"training: stopped by SIGTERM before epoch \d+, batch \d+: the same command goes on from there", said
    )
    assert len(list((tmp_path / "kept").glob("*.pt"))) == 1


RUN = identity(data="a")


def state(number: int) -> dict[str, torch.Tensor]:
    return {"number": torch.tensor(number)}


def newest(folder: Path, run: str = RUN) -> int | None:
    found = Checkpoints(folder, run, 0).newest()
    return None if found is None else int(found["number"])


@pytest.fixture
def three(tmp_path: Path) -> Path:
    kept = Checkpoints(tmp_path, RUN, 0)
    for number in (1, 2, 3):
        kept.save(number, state(number))
    return tmp_path


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pt"))


def test_two_are_kept_and_the_newest_is_taken(three: Path) -> None:
    assert [int(path.name.split("-")[1]) for path in files(three)] == [2, 3]
    assert newest(three) == 3


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn"])
def test_damaged_one_is_passed_over_for_the_one_before(
    three: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    files(three)[-1].write_bytes(damage)
    assert newest(three) == 2
    assert re.match(r"checkpoint \S+ is passed over: its content is not what was written\n", capsys.readouterr().out)


def test_a_single_changed_bit_is_damage(three: Path) -> None:
    content = bytearray(files(three)[-1].read_bytes())
    content[len(content) // 2] ^= 1
    files(three)[-1].write_bytes(content)
    assert newest(three) == 2


def test_another_runs_checkpoints_are_neither_taken_nor_removed(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = identity(data="b")
    assert newest(three, other) is None
    assert "are of other runs: this one begins anew" in capsys.readouterr().out
    for number in (1, 2, 3):
        Checkpoints(three, other, 0).save(number, state(number))
    assert newest(three) == 3


def test_death_in_the_middle_of_a_write_leaves_the_last_whole_one(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        Checkpoints(three, RUN, 0).save(4, state(4))
    monkeypatch.undo()
    assert newest(three) == 3
    Checkpoints(three, RUN, 0).save(5, state(5))
    assert not list(three.glob(".*"))


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(checkpoints.TrainingError, match=r"--checkpoints .*file: cannot be written"):
        Checkpoints(tmp_path / "file", RUN, 0).save(1, state(1))


@pytest.mark.parametrize("fact", ["data", "architecture", "hyperparameters", "code"])
def test_runs_differ_by_what_their_weights_depend_on(fact: str) -> None:
    facts = {"data": "1", "architecture": "2", "hyperparameters": {"seed": 3}, "code": "4"}
    assert identity(**facts) != identity(**(facts | {fact: "other"}))
