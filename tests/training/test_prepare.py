"""The first step of a pipeline: what it takes, what it leaves out and names, and how it splits."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.jobs import ROOT
from training.prepare import main


def run(data: Path, out: Path, *more: str) -> int:
    return main(["--data", str(data), "--out", str(out), *more])


def report(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "prepared.json").read_text()))


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def unsplit(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures / "train", tmp_path / "unsplit"))


def test_a_split_set_stays_as_it_is(pictures: Path, tmp_path: Path) -> None:
    assert run(pictures, tmp_path / "out") == 0
    for name in ("train", "valid", "test"):
        assert names(tmp_path / "out" / name) == names(pictures / name)
    found = report(tmp_path / "out")
    assert found["pictures"] == {"train": 120, "valid": 40, "test": 40}
    assert found["left_out"] == {}
    assert len(found["labels"]) == 10


def test_an_unsplit_set_is_split_class_by_class(unsplit: Path, tmp_path: Path) -> None:
    assert run(unsplit, tmp_path / "out") == 0
    found = report(tmp_path / "out")
    for label in found["labels"]:
        in_all = sum(counts[label] for counts in found["classes"].values())
        assert found["classes"]["test"][label] == found["classes"]["valid"][label] == round(0.15 * in_all)
    everything = [name for part in ("train", "valid", "test") for name in names(tmp_path / "out" / part)]
    assert sorted(everything) == names(unsplit)


def test_the_same_seed_splits_the_same_way_and_another_differently(unsplit: Path, tmp_path: Path) -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run(unsplit, tmp_path / out, "--seed", seed) == 0
    assert names(tmp_path / "a") == names(tmp_path / "b") != names(tmp_path / "c")


def test_copies_of_one_picture_stand_on_one_side(unsplit: Path, tmp_path: Path) -> None:
    for file in sorted((unsplit / "ring").iterdir()):
        shutil.copy(file, file.with_stem(f"{file.stem}-copy"))
    assert run(unsplit, tmp_path / "out") == 0
    for part in ("train", "valid", "test"):
        rings = {path.stem for path in (tmp_path / "out" / part / "ring").iterdir()}
        assert {f"{stem}-copy" for stem in rings if not stem.endswith("-copy")} <= rings
        assert len(rings) % 2 == 0


def test_unreadable_pictures_are_named_and_left_out(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    (data / "train" / "ring" / "broken.jpg").write_bytes(b"no picture")
    (data / "train" / "ring" / "notes.txt").write_text("not a picture, and not taken for one")
    assert run(data, tmp_path / "out") == 0
    assert list(report(tmp_path / "out")["left_out"]) == ["train/ring/broken.jpg"]
    assert "left out: train/ring/broken.jpg is no JPEG" in capsys.readouterr().out
    assert "train/ring/broken.jpg" not in names(tmp_path / "out")


def test_too_many_unreadable_pictures_are_an_error_with_names(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    for number in range(20):
        (data / "train" / "ring" / f"broken-{number:02}.jpg").write_bytes(b"no picture")
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert run(data, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "20 of 220 pictures cannot be used, more than 5%: train/ring/broken-00.jpg is no JPEG" in said
    assert "and 15 more" in said
    assert (tmp_path / "output" / "message").read_text() in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("remove", "sentence"),
    [
        (["valid"], "holds train, test but not valid; give all three, or none to have it split"),
        (["test/ring"], "test: no readable picture of ring"),
        (["train/ring"], "valid: ring has no picture in train"),
    ],
)
def test_what_is_missing_is_said(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], remove: list[str], sentence: str
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    for name in remove:
        shutil.rmtree(data / name)
    assert run(data, tmp_path / "out") == 1
    assert sentence in capsys.readouterr().err


def test_a_class_too_small_to_split_is_named(unsplit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in sorted((unsplit / "ring").iterdir())[2:]:
        file.unlink()
    assert run(unsplit, tmp_path / "out") == 1
    assert "ring: 2 different pictures; each class needs at least 3" in capsys.readouterr().err


def test_shares_that_leave_nothing_to_train_on_are_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pictures, tmp_path / "out", "--valid", "0.5", "--test", "0.5") == 1
    assert "each must be above 0, and both together below 1" in capsys.readouterr().err


def test_runs_as_a_process(pictures: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-W", "error", "-m", "training.prepare"]
    words += ["--data", str(pictures), "--out", str(tmp_path / "out")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '{"train": 120, "valid": 40, "test": 40} pictures in 10 classes' in done.stdout


def test_one_bad_picture_fails_where_that_is_chosen(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    (data / "valid" / "ring" / "broken.jpg").write_bytes(b"")
    assert run(data, tmp_path / "out", "--on-bad-image", "fail") == 1
    said = capsys.readouterr().err
    assert (
        "1 of 201 pictures cannot be used; --on-bad-image skip leaves them out: valid/ring/broken.jpg is empty" in said
    )


def test_pictures_behind_other_names_are_told(pictures: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    hidden = next((data / "train" / "ring").iterdir())
    hidden.rename(hidden.with_suffix(".jpg_large"))
    assert run(data, tmp_path / "out") == 0
    assert list(report(tmp_path / "out")["left_out"].values()) == [
        "is a JPEG by its content, and its name does not end so; rename it"
    ]


@pytest.fixture
def doubled(pictures: Path, tmp_path: Path) -> Path:
    """A test picture stands in the training split too."""
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    original = sorted((data / "test" / "ring").iterdir())[0]
    shutil.copyfile(original, data / "train" / "ring" / "copy.jpg")
    return data


@pytest.mark.parametrize(("choice", "kept"), [("report", 121), ("drop", 120)])
def test_copies_across_splits_are_told(doubled: Path, tmp_path: Path, choice: str, kept: int) -> None:
    assert run(doubled, tmp_path / "out", "--on-duplicate", choice) == 0
    found = report(tmp_path / "out")
    assert found["pictures"]["train"] == kept
    assert list(found["duplicates"]) == ["train/ring/copy.jpg"]


def test_copies_across_splits_are_refused_by_choice(
    doubled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(doubled, tmp_path / "out", "--on-duplicate", "fail") == 1
    assert (
        "1 pictures stand in two splits, so that accuracy would say too much: train/ring/copy.jpg"
        in capsys.readouterr().err
    )


def test_what_is_no_file_of_pixels_is_named_and_waited_for_by_nobody(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    ring = data / "train" / "ring"
    os.mkfifo(ring / "pipe.jpg")
    (ring / "folder.jpg").mkdir()
    (ring / "leads nowhere.jpg").symlink_to("nothing.jpg")
    (ring / "linked.jpg").symlink_to(
        data / "train" / "star" / min(entry.name for entry in (data / "train" / "star").iterdir())
    )
    (ring / "more").mkdir()
    shutil.copy(ring / "linked.jpg", ring / "more" / "deep.jpg")
    Path(os.fsdecode(os.fsencode(ring) + b"/caf\xe9.jpg")).write_bytes(b"x")
    assert run(data, tmp_path / "out") == 0
    assert report(tmp_path / "out")["left_out"] == {
        "train/ring/caf\\xe9.jpg": "has a name that is no UTF-8; rename it",
        "train/ring/folder.jpg": "is no file",
        "train/ring/leads nowhere.jpg": "cannot be read (No such file or directory)",
        "train/ring/pipe.jpg": "is no file",
        "train/ring/more/deep.jpg": "lies in a folder below its class's; move it up",
    }
    assert "left out: train/ring/caf\\xe9.jpg has a name" in capsys.readouterr().out


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "star":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert run(pictures, tmp_path / "out") == 1
    assert "train/star: cannot be read (Permission denied)" in capsys.readouterr().err


def test_a_plan_copies_nothing_and_holds_all_that_is_wrong(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    for number in range(20):
        (data / "train" / "ring" / f"broken {number}.jpg").write_bytes(b"")
    assert main(["--data", str(data), "--plan"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["left_out"]), found["refused"][:33]) == (20, "20 of 220 pictures cannot be used")
    assert main(["--data", str(pictures), "--plan"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["refused"], found["split"], len(found["files"])) == (None, True, 200)
    assert found["files"][0].keys() == {"file", "split", "label", "sha256"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
