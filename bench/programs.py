"""Two CDK programs, each run as the CDK command line runs an app: in a process of its own, told where to write."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a person may have set for other work, and what would change only one of two runs.
NOT_PASSED_ON = ("CDK_", "JSII_", "NODE_", "PYTHON")
# Whippet switches stack traces off by itself; the flat app must not pay for them either.
NO_TRACES = {"aws:cdk:disable-stack-trace": True, "aws:cdk:disable-creation-stack-traces": True}


class ProgramError(Exception):
    """A program did not synthesize; the text holds what it said."""


@dataclass(frozen=True)
class Seconds:
    wall: float
    cpu: float
    """Of the process and of the Node process that it waits for."""


@dataclass(frozen=True)
class Program:
    name: str
    folder: Path
    stage: str
    validation: bool = True
    """CDK's own check of the templates, which it makes unless told otherwise."""

    def run(self, out: Path, *, python: tuple[str, ...] = ("app.py",), more: dict[str, str] | None = None) -> Seconds:
        """One synthesis into a folder."""
        started = time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, *python],
                cwd=self.folder,
                env={**self.environment(out), **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                raise ProgramError(f"{self.name} did not synthesize:\n{said.read().decode(errors='replace')}")
        return Seconds(wall, used.ru_utime + used.ru_stime)

    def environment(self, out: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({**context, **NO_TRACES, "stage": self.stage}),
            "CDK_VALIDATION": str(self.validation).lower(),
        }


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Made before a run is timed and removed after it."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
