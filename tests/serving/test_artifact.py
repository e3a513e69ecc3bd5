"""A wrong or damaged artefact is refused in one sentence that names file, key, value and what is allowed."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving import artifact
from serving.artifact import main, opened, read_artifact, unpack
from serving.errors import StartError
from serving.schema import RULES
from tests.serving.processes import MODEL, ROOT

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


def put(*keys: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(metadata: dict[str, Any]) -> None:
        for key in keys[:-1]:
            metadata = metadata[key]
        metadata[keys[-1]] = value

    return change


def fault(folder: Path) -> str:
    with pytest.raises(StartError) as caught:
        read_artifact(folder)
    return str(caught.value)


def test_committed_starter_is_whole() -> None:
    with opened(MODEL) as starter:
        assert len(starter.labels) == 10


WRONG = [
    (("format",), 2, "format is 2; it must be one of 1"),
    (("format",), True, "format is True"),
    (("version",), "a b", "version is 'a b'"),
    (("labels",), ["a"], "labels is ['a']; it must be two or more different names"),
    (("labels",), ["a", "a"], "labels is ['a', 'a']"),
    (("labels",), ["a", ""], "labels is"),
    (("input", "height"), 0, "input.height is 0; it must be a whole number from 1 to 4096"),
    (("input", "width"), 64.0, "input.width is 64.0"),
    (("input", "channels"), 1, "input.channels is 1; it must be 3"),
    (("input",), [], "input.name is missing"),
    (("preprocessing", "resize"), 63, "preprocessing.resize is 63; it must be at least the input's longer side, 64"),
    (("preprocessing", "jpeg_draft"), 3, "preprocessing.jpeg_draft is 3; it must be 0, 1, 2 or 4"),
    (("preprocessing", "colour"), "BGR", "preprocessing.colour is 'BGR'; it must be \"RGB\""),
    (("preprocessing", "mean"), [0, 0], "preprocessing.mean is [0, 0]; it must be three numbers"),
    (("preprocessing", "std"), [1, 0, 1], "preprocessing.std is [1, 0, 1]; it must be three numbers above 0"),
    (("preprocessing", "scale"), float("inf"), "preprocessing.scale is inf"),
    (("preprocessing", "sharpen"), 1, "preprocessing.sharpen is a step unknown to this server"),
    (("temperature",), 0, "temperature is 0; it must be a number above 0"),
    (("files", "model.pt"), {}, "files.model.pt.sha256 is missing"),
    (("files", "model.onnx", "sha256"), "0" * 63, "files.model.onnx.sha256 is"),
    (("files", "model.onnx", "sha256"), "0" * 64, "files.model.onnx.sha256 in model.json is"),
]


@pytest.mark.parametrize(("keys", "value", "told"), WRONG, ids=lambda word: str(word)[:30])
def test_wrong_value_is_told(edit: Edit, keys: tuple[str, ...], value: object, told: str) -> None:
    folder = edit(put(*keys, value=value))
    assert told in fault(folder)
    assert str(folder) in fault(folder)


@pytest.mark.parametrize(
    "key", ["format", "version", "labels", "input", "output", "preprocessing", "temperature", "files"]
)
def test_missing_key_is_told(edit: Edit, key: str) -> None:
    assert f"{key}" in fault(edit(lambda metadata: metadata.pop(key)))


def test_unknown_keys_that_only_inform_are_let_through(edit: Edit) -> None:
    assert read_artifact(edit(put("colour_of_the_bike_shed", value="green"))).version.startswith("starter-")


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "model.pt"])
def test_missing_file_is_told(model_dir: Path, name: str) -> None:
    (model_dir / name).unlink()
    assert f"{model_dir / name}: no such file" in fault(model_dir)


@pytest.mark.parametrize("name", ["model.onnx", "model.pt"])
def test_one_flipped_bit_is_noticed(model_dir: Path, name: str) -> None:
    content = bytearray((model_dir / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model_dir / name).write_bytes(content)
    assert "damaged or belongs to another model" in fault(model_dir)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\ufeff{}", "[" * 200_000], ids=lambda text: repr(text[:8]))
def test_model_json_that_is_none_is_told(model_dir: Path, text: str) -> None:
    (model_dir / "model.json").write_text(text)
    assert "model.json" in fault(model_dir)


def test_labels_of_another_model_are_noticed(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = edit(lambda metadata: metadata["labels"].append("one_more"))
    assert main([str(folder)]) == 1
    assert "the two belong to different models" in capsys.readouterr().err


def test_input_size_of_another_model_is_noticed(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(edit(put("input", "width", value=65)))]) == 1
    assert "model.json describes tensor(float) ['batch', 3, 64, 65]" in capsys.readouterr().err


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("../model.json"),
        member("/model.json"),
        member("code/inference.py"),
        member(".."),
        member("model.pt", tarfile.SYMTYPE, "/etc/passwd"),
        member("model.pt", tarfile.LNKTYPE, "model.onnx"),
        member("model.pt", tarfile.FIFOTYPE),
        member("model.pt", tarfile.CHRTYPE),
        member("code", tarfile.DIRTYPE),
    ],
    ids=lambda info: f"{info.name} {info.type!r}",
)
def test_archive_holds_plain_files_only(tmp_path: Path, info: tarfile.TarInfo) -> None:
    archive = archive_of(tmp_path / "bad.tar.gz", (info, b""))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(StartError, match="is not a plain file at the top"):
        unpack(archive, folder)
    assert list(folder.iterdir()) == []


def test_leading_dot_as_sagemaker_writes_it_is_accepted(tmp_path: Path) -> None:
    unpack(archive_of(tmp_path / "a.tar.gz", (member("./", tarfile.DIRTYPE), b""), (member("./x"), b"1")), tmp_path)
    assert (tmp_path / "x").read_bytes() == b"1"


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(StartError, match="unpacks to more than"):
        unpack(archive_of(tmp_path / "a.tar.gz", (member("x"), bytes(1001))), tmp_path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [b"", b"not a gzip", MODEL.read_bytes()[:5000]], ids=["empty", "text", "cut"])
def test_archive_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(StartError, match=r"model\.tar\.gz: not a readable tar\.gz"), opened(path):
        pass


def run_module(path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "serving.artifact", str(path)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


def test_module_says_that_the_starter_is_sound() -> None:
    result = run_module(MODEL)
    assert (result.returncode, result.stderr) == (0, "")
    assert "whole and sound" in result.stdout


def test_module_ends_with_status_1_and_one_sentence(tmp_path: Path) -> None:
    result = run_module(tmp_path / "absent.tar.gz")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1


def test_every_required_key_is_documented() -> None:
    page = (ROOT / "docs" / "artefact.md").read_text()
    for rule in RULES:
        assert f"`{rule.key.removeprefix('preprocessing.')}`" in page, rule.key


def test_what_training_writes_is_documented() -> None:
    page = (ROOT / "docs" / "artefact.md").read_text()
    with tarfile.open(MODEL) as tar:
        written = json.load(tar.extractfile("model.json"))  # type: ignore[arg-type]
    for key in written:
        assert f"`{key}" in page or f"`{key}." in page, key
