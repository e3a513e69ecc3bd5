"""Facts of the container image that can be read; its steps are carried out in test_image_build.py."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stacks.constructs.training_code import shipped
from tests.serving.processes import ROOT

SERVING = ROOT / "serving"
DOCKERFILE = (SERVING / "Dockerfile").read_text()


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in found}


def instructions(word: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(f"{word} ") for line in joined.splitlines() if line.startswith(f"{word} ")]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-train.txt"])
def test_pins_equal_the_repositorys(name: str) -> None:
    root, ours = pins(ROOT / "requirements.txt"), pins(SERVING / name)
    assert ours == {name: root[name] for name in ours}


def test_pytorch_is_the_repositorys_too() -> None:
    (install,) = [line for line in instructions("RUN") if " torch==" in line]
    assert f"torch=={pins(ROOT / 'requirements.txt')['torch']} " in install


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-train.txt"])
def test_every_line_of_the_requirements_is_a_pin(name: str) -> None:
    lines = [line for line in (SERVING / name).read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9.]+", line) for line in lines)


def test_base_image_comes_from_amazons_public_registry() -> None:
    first, second = instructions("FROM")
    assert first.startswith("public.ecr.aws/") and first.endswith(" AS serve")
    assert second == "serve AS train"


def test_what_is_copied_exists_in_the_build_context() -> None:
    for line in instructions("COPY"):
        *sources, _ = line.split()
        context = ROOT / "training" if sources[0] == "--from=training" else SERVING
        assert all(list(context.glob(source)) for source in sources if source[0] != "-"), line


def test_everything_that_training_ships_is_copied() -> None:
    """The starter model is an asset of its own."""
    (line,) = [line for line in instructions("COPY") if line.startswith("--from=training ")]
    _, *patterns, _ = line.split()
    copied = {path for pattern in patterns for path in (ROOT / "training").glob(pattern)}
    assert copied == set(shipped(ROOT / "training"))


def test_train_is_copied_onto_the_path_and_executable() -> None:
    assert "train /usr/local/bin/train" in instructions("COPY")
    assert os.access(SERVING / "train", os.X_OK)
    assert (SERVING / "train").read_text().splitlines()[-1] == 'exec python -m training.container "$@"'


def test_serve_is_copied_onto_the_path_and_executable() -> None:
    assert "serve /usr/local/bin/serve" in instructions("COPY")
    assert os.access(SERVING / "serve", os.X_OK)


def test_command_is_in_exec_form() -> None:
    assert instructions("CMD") == ['["serve"]', '["train"]']


def test_port_and_unbuffered_output_are_declared() -> None:
    assert instructions("EXPOSE") == ["8080"]
    assert "PYTHONUNBUFFERED=1" in DOCKERFILE


def test_bind_to_port_is_declared_for_pipelines_of_containers() -> None:
    assert 'accept-bind-to-port="true"' in DOCKERFILE


def test_serve_replaces_the_shell_so_that_signals_arrive() -> None:
    assert (SERVING / "serve").read_text().splitlines()[-1].startswith("exec python -m serving --host 0.0.0.0 ")


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("serving", {"serving", "numpy", "PIL", "onnxruntime", "uvicorn"}),
        ("training", {"training", "numpy", "PIL", "onnxruntime", "onnx", "torch", "rich", "optuna"}),
    ],
)
def test_room_imports_only_what_ships_with_it(room: str, others: set[str]) -> None:
    for path in (ROOT / room).glob("*.py"):
        assert imported(path) <= others | sys.stdlib_module_names, path


def test_folder_alone_is_enough_to_run_from(tmp_path: Path) -> None:
    """As in the image: the package somewhere on PYTHONPATH, nothing else of the repository."""
    (tmp_path / "serving").mkdir()
    for source in SERVING.glob("*.py"):
        shutil.copy(source, tmp_path / "serving")
    words = [sys.executable, "-m", "serving", "--help"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    result = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, check=True)
    assert "SAGEMAKER_BIND_TO_PORT" in result.stdout


def test_registry_file_names_the_command_with_its_three_places() -> None:
    images = tomllib.loads((SERVING / "images.toml").read_text())["image"]
    (image,) = [one for one in images if "command" in one]
    assert image["uri"].endswith(":*")
    assert {"{python}", "{model_dir}", "{port}"} <= set(image["command"])
