"""Run the CDK command line as a person would, and keep what it said."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ops.errors import OperatorError, WorkFailed

ROOT = Path(__file__).resolve().parent.parent
CDK = Path(sys.executable).with_name("cdk")
LAST_LINES = 12
LOOK_EVERY_SECONDS = 0.2


class CdkError(WorkFailed):
    """The command failed; the text holds its last lines and where the rest is."""


def run(
    arguments: list[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    project: Path = ROOT,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """`meanwhile` is called again and again until the command has ended."""
    if not CDK.exists():
        raise OperatorError(f"The CDK command line is not installed beside {sys.executable}: run `make setup`.")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(CDK), *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_SECONDS)
                meanwhile()
        except BaseException:
            # A Ctrl-C too: what CloudFormation has been told goes on without the command line.
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        raise CdkError(f"`cdk {arguments[0]}` failed; its last words (all of them are in {log}):\n{last}")
