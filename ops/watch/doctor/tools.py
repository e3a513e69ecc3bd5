"""The programs on this machine, against what the project pins."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

from ops import cdk
from ops.stage import Stage
from ops.watch.doctor.finding import Finding, fault, note, well

PACKAGES = ("aws-cdk-lib", "constructs", "boto3", "torch")
OLDEST_PYTHON = (3, 11)


def tools(stage: Stage) -> Iterator[Finding]:
    yield _python()
    pins = _pins()
    for name in PACKAGES:
        yield _pinned(name, _installed(name), pins[name])
    wanted = json.loads((cdk.ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    yield _pinned("aws-cdk (its command line)", _said([str(cdk.CDK), "--version"]), wanted)
    if stage.config.image.source == "docker":
        yield _docker()


def _python() -> Finding:
    if sys.version_info[:2] < OLDEST_PYTHON:
        return fault("Python", platform.python_version(), "use 3.11 or newer: make setup PYTHON=python3.11")
    return well("Python", platform.python_version())


def _pins() -> dict[str, str]:
    lines = (cdk.ROOT / "requirements.txt").read_text().splitlines()
    pairs = [(name, version) for name, _, version in (line.split("#")[0].strip().partition("==") for line in lines)]
    return dict(pairs)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pinned(what: str, found: str | None, wanted: str) -> Finding:
    if found is None:
        return fault(what, f"is not installed; the project works with {wanted}", "make setup")
    if found.split("+")[0].split()[0] != wanted:
        return fault(what, f"is {found.split()[0]}; the project works with {wanted}", "make setup")
    return well(what, wanted)


def _said(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _docker() -> Finding:
    found = _said(["docker", "version", "--format", "{{.Server.Version}}"])
    if found is None:
        return fault("Docker", "does not answer", 'start it, or set image.source = "codebuild"')
    return well("Docker", found) if found else note("Docker", "says no version")
