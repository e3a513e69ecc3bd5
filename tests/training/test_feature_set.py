"""A complete set of features: trials need nothing else, and one of something else is refused by name."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from training import body, features, models, precompute, train, tune
from training.feature_set import FILE

HEAD = ["--stage", "head", "--input-size", "32", "--epochs", "3", "--threads", "1"]
PICTURES_ARE_NEEDED = "a set was complete, and pictures were looked at"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    torch.save(models.build("small_cnn", 10).state_dict(), file := tmp_path_factory.mktemp("weights") / "begin.pt")
    return file


def folders(pictures: Path, *names: str) -> list[str]:
    return [word for name in names for word in (f"--{name}", str(pictures / name))]


@pytest.fixture(scope="module")
def complete(pictures: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of small_cnn's features, from those weights."""
    store = tmp_path_factory.mktemp("features")
    words = [*folders(pictures, "train", "valid"), *HEAD, "--weights", str(weights), "--features", str(store)]
    assert precompute.main(words) == 0
    return store


def trial(*words: str, model_dir: str = "unused") -> int:
    return train.main([*HEAD, "--trial", "true", "--model-dir", model_dir, *words])


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (features, body):
        monkeypatch.setattr(module, "engine_of", lambda *_words: pytest.fail("features were computed again"))


def judged(said: str) -> list[str]:
    """The metric lines, without the seconds."""
    return re.findall(r"^(?:epoch=\S+ .*(?= seconds)|best_epoch=.*)", said, re.MULTILINE)


@pytest.mark.usefixtures("no_network")
def test_a_trial_on_features_alone_finds_what_one_on_pictures_finds(
    complete: Path,
    pictures: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = ["--weights", str(weights)]
    shutil.copytree(complete, tmp_path / "store")
    (tmp_path / "store" / FILE).unlink()  # a store, which says nothing of itself: pictures are read
    assert trial(*begin, *folders(pictures, "train", "valid"), "--features", str(tmp_path / "store")) == 0
    expected = judged(capsys.readouterr().out)
    assert len(expected) == 4
    monkeypatch.setattr("training.start.load", lambda *_a, **_k: pytest.fail(PICTURES_ARE_NEEDED))
    assert trial(*begin, "--features", str(complete)) == 0
    assert judged(capsys.readouterr().out) == expected
    assert trial(*begin, *folders(pictures, "train", "valid"), "--features", str(complete)) == 0
    assert judged(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--architecture", "resnet18"], "holds features of small_cnn, and this run trains resnet18"),
        (["--normalise", "data"], "was computed with --normalise imagenet, and this run has data"),
        (["--flip", "false"], "was computed with --flip true, and this run has --flip false"),
        (["--input-size", "48"], "from pictures with height = 32, and this run has height = 48"),
    ],
)
def test_features_of_another_network_or_recipe_are_refused_by_name(
    complete: Path, weights: Path, words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "resnet18" in words:
        torch.save(models.build("resnet18", 10).state_dict(), weights := tmp_path / "begin.pt")
    assert trial("--weights", str(weights), "--features", str(complete), *words) == 1
    said = capsys.readouterr().err
    assert f"--features {complete}: " in said and sentence in said
    assert "training.precompute --help" in said


def test_features_of_other_weights_are_refused_by_name(
    complete: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(models.build("small_cnn", 10).state_dict(), tmp_path / "other.pt")
    assert trial("--weights", str(tmp_path / "other.pt"), "--features", str(complete)) == 1
    assert "was computed from other weights, those of SHA-256 " in capsys.readouterr().err
    assert trial("--normalise", "imagenet", "--features", str(complete)) == 1
    assert "and this run begins from random ones; name another folder" in capsys.readouterr().err


def test_features_of_another_random_start_are_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*folders(pictures, "train", "valid"), *HEAD, "--features", str(tmp_path)]
    assert precompute.main(words) == 0
    assert trial("--features", str(tmp_path), "--seed", "1") == 0
    assert trial("--features", str(tmp_path), "--seed", "2") == 1
    assert "was computed by another small_cnn: one of another --seed" in capsys.readouterr().err


@pytest.fixture
def changed(pictures: Path, tmp_path: Path) -> Path:
    """The data set anew, to be changed."""
    for name in ("train", "valid", "test"):
        shutil.copytree(pictures / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("is_trial", [True, False])
def test_features_of_other_pictures_are_refused_by_the_first_picture(
    complete: Path, changed: Path, weights: Path, is_trial: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    one, *_ = sorted((changed / "train").glob("*/*.jpg"))
    name = one.relative_to(changed / "train").as_posix()
    words = [*folders(changed, "train", "valid", "test"), "--weights", str(weights), "--features", str(complete)]
    words += ["--trial", str(is_trial)]
    for change, sentence in (
        (lambda: one.write_bytes(one.read_bytes() + b"\0"), f"it has another {name} than this run's"),
        (one.unlink, f"it has {name}, which this run does not have"),
        (lambda: shutil.copy(next((changed / "valid").glob("*/*.jpg")), one.with_name("0.jpg")), "it has no "),
    ):
        change()
        assert trial(*words, model_dir=str(changed / "model")) == 1
        assert f"is of other train pictures: {sentence}" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_the_final_training_takes_the_set_too(
    complete: Path, pictures: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*folders(pictures, "train", "valid", "test"), "--weights", str(weights), "--features", str(complete)]
    assert train.main([*HEAD, *words, "--model-dir", str(tmp_path)]) == 0
    assert (tmp_path / "model.onnx").is_file()


def test_a_set_that_lost_a_piece_is_told_where_no_picture_is_left_to_compute_it_from(
    complete: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(complete, tmp_path / "set")
    piece, *_ = sorted((tmp_path / "set").glob("*.npy"))
    piece.write_bytes(b"torn")
    assert trial("--weights", str(weights), "--features", str(tmp_path / "set")) == 1
    assert f"{piece.name} is missing or damaged; bring or compute the set anew" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", '{"layout": 0}', '{"layout": 1, "splits": {}}'])
def test_a_set_that_cannot_be_read_is_told(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE).write_text(text)
    assert trial("--features", str(tmp_path)) == 1
    assert f"--features {tmp_path}: features.json " in capsys.readouterr().err


def test_an_interrupted_computation_leaves_no_complete_set(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*folders(pictures, "train", "valid"), *HEAD, "--features", str(tmp_path)]
    really = features.compute

    def interrupted(*positional: Any, **named: Any) -> Any:
        if not named["flip"]:  # the second split
            raise KeyboardInterrupt
        return really(*positional, **named)

    monkeypatch.setattr(features, "compute", interrupted)
    assert precompute.main(words) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.npy"))) == 1 and not (tmp_path / FILE).exists()
    monkeypatch.setattr(features, "compute", really)
    assert precompute.main(words) == 0
    assert f"features of 160 pictures are in {tmp_path}" in capsys.readouterr().out
    assert precompute.main(words) == 0
    assert f"features of 160 pictures were in {tmp_path}" in capsys.readouterr().out


def test_a_folder_must_be_named(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert precompute.main(folders(pictures, "train", "valid")) == 1
    assert capsys.readouterr().err == "precompute: --features is missing: name the folder that the set goes to\n"


@pytest.mark.parametrize(("varied", "sets"), [("learning_rate", 1), ("input_size", 0)])
def test_a_search_computes_features_once_unless_trials_differ_in_them(
    varied: str, sets: int, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stage.toml").write_text(f'[[training.tuning.space]]\nname = "{varied}"\nvalues = [16, 32]\n')
    monkeypatch.setattr(tune, "attempt", lambda *_words: (0.5, ""))
    words = [*folders(pictures, "train", "valid"), "--stage", "head", "--features", str(tmp_path / "features")]
    words += ["--stage-file", str(tmp_path / "stage.toml"), "--out", str(tmp_path / "out"), "--trials", "2"]
    assert tune.main(words) == 0
    assert len(list(tmp_path.glob(f"features/{FILE}"))) == sets
