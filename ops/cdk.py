"""Run the CDK command line as a person would, and keep what it said."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CDK = Path(sys.executable).with_name("cdk")
LAST_LINES = 12


class CdkError(Exception):
    """The command failed; the text holds its last lines and where the rest is."""


def run(arguments: list[str], *, environment: Mapping[str, str], log: Path, project: Path = ROOT) -> None:
    if not CDK.exists():
        raise CdkError(f"The CDK command line is not installed beside {sys.executable}: run `make setup`.")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        done = subprocess.run(
            [str(CDK), *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        raise CdkError(f"`cdk {arguments[0]}` failed; its last words (all of them are in {log}):\n{last}")
