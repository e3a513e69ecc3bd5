"""What `make setup` says where a machine cannot do it."""

import importlib.util
import subprocess
import sys

import pytest

from tests.synth import ROOT

SCRIPT = ROOT / "scripts" / "setup.py"


@pytest.fixture
def setup(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("setup_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    return module


def test_an_old_python_is_told_which_one_is_needed(setup, monkeypatch, capsys):
    monkeypatch.setattr(setup.sys, "version_info", (3, 10, 4))
    assert setup.main() == 1
    assert "Whippet needs 3.11 or newer: make PYTHON=python3.11" in capsys.readouterr().err


def test_a_python_without_venv_is_told_the_package(setup, monkeypatch, capsys):
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: None)
    assert setup.main() == 1
    assert "apt install python3-venv" in capsys.readouterr().err


def test_a_file_in_the_environments_place_is_named(setup, capsys):
    setup.VENV.write_text("")
    assert setup.main() == 1
    assert f"{setup.VENV} is a file and must be a folder" in capsys.readouterr().err


def test_a_command_that_fails_is_shown_with_its_last_words(setup):
    with pytest.raises(setup.SetupError, match="no such thing"):
        setup.run([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


def test_a_command_that_is_not_there_is_a_sentence(setup, tmp_path):
    with pytest.raises(setup.SetupError, match="cannot be run: No such file or directory"):
        setup.run([str(tmp_path / "nothing")])


def test_an_environment_of_another_python_is_not_kept(setup, monkeypatch):
    made = []
    monkeypatch.setattr(setup, "venv_python", lambda venv: (3, 10))
    monkeypatch.setattr(setup, "run", lambda command, env=None: made.append(command) or "")
    setup.make_venv(setup.VENV)
    assert made == [[sys.executable, "-m", "venv", str(setup.VENV)]]


def test_node_is_found_by_the_environments_own_python():
    """Distributions lay packages out differently; the environment's Python knows where its own are."""
    node = ROOT / ".venv" / "bin" / "node"
    assert subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.startswith("v24.")
    assert "sysconfig" not in SCRIPT.read_text()


def test_whippet_is_the_command_line_from_any_folder(setup, tmp_path):
    """A folder that is named is one of where it is called."""
    program = tmp_path / "a venv" / "bin" / "whippet"
    program.parent.mkdir(parents=True)
    # A link would be of an environment without packages.
    (program.parent / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (program.parent / "python").chmod(0o755)
    setup.write_program(program, setup.WHIPPET_PROGRAM)
    folder = tmp_path / "elsewhere" / "empty"
    folder.mkdir(parents=True)
    said = subprocess.run(
        [program, "data", "check", "empty"], cwd=folder.parent, capture_output=True, text=True, check=False
    )
    assert said.returncode == 5, said
    assert f"{folder}: 0 class folders; at least 2 are needed" in said.stderr


def test_interruption_says_how_to_go_on(setup, monkeypatch, capsys):
    def interrupt(venv):
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "make_venv", interrupt)
    assert setup.main() == 130
    assert "run it again to go on" in capsys.readouterr().err


def test_a_tool_that_conflicts_gets_an_environment_of_its_own(setup, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["setup.py", "--tool", "polish"])
    monkeypatch.setattr(setup, "run", lambda command, env=None: made.append(command) or "")
    (tmp_path / "requirements-polish.txt").write_text("polish==1\n")
    assert setup.main() == 0
    environment, install, compiled = made
    assert environment == [sys.executable, "-m", "venv", str(tmp_path / ".venv-polish")]
    assert install[0] == str(tmp_path / ".venv-polish" / "bin" / "python")
    assert install[-2:] == ["-r", str(tmp_path / "requirements-polish.txt")]
    assert ("--no-compile" in install, compiled[1:3]) == (True, ["-m", "compileall"])


def test_a_tool_that_needs_pytorch_gets_the_build_without_cuda(setup, tmp_path, monkeypatch):
    """Left to pip, PyPI's own build would bring gigabytes."""
    made = []
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["setup.py", "--tool", "polish"])
    monkeypatch.setattr(setup, "make_venv", lambda venv: None)
    monkeypatch.setattr(setup, "torch_build", lambda venv: "")
    monkeypatch.setattr(setup, "reachable", lambda url: True)
    monkeypatch.setattr(setup.platform, "system", lambda: "Linux")
    monkeypatch.setattr(setup, "run", lambda command, env=None: made.append(command) or "")
    for name in ("requirements.txt", "requirements-polish.txt"):
        (tmp_path / name).write_text("torch==2.13.0\n")
    assert setup.main() == 0
    torch, rest, _ = made
    assert torch[0] == rest[0] == str(tmp_path / ".venv-polish" / "bin" / "python")
    assert torch[-3:] == ["torch==2.13.0", "--index-url", setup.TORCH_CPU_INDEX]
    assert rest[-2:] == ["-r", str(tmp_path / "requirements-polish.txt")]


def test_a_tool_that_nobody_knows_is_answered_with_those_that_are(setup, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["setup.py", "--tool", "chekov"])
    assert setup.main() == 1
    assert "there is no requirements-chekov.txt; the tools with an environment of their own: bench-" in (
        capsys.readouterr().err
    )


def test_every_tools_requirements_are_pinned():
    for path in ROOT.glob("requirements-*.txt"):
        lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
        assert [line for line in lines if line and "==" not in line and not line.startswith("-r ")] == [], path.name
