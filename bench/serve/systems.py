"""What is compared: each server, the ways in which it can be tuned, and how it is started.

A is AWS's own stack (sagemaker-pytorch-inference and TorchServe, PyTorch eager), B the same with an ONNX Runtime
handler, L is LitServe with either. Ours has one configuration, its own defaults.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.programs import ROOT
from bench.serve.models import Models
from bench.serve.processes import free_port

OURS, INT8, A, B, LITSERVE = "ours", "int8", "A", "B", "L"
NAMES = {
    OURS: "Whippet",
    INT8: "Whippet, int8",
    A: "A: AWS's stack, PyTorch eager",
    B: "B: AWS's stack, ONNX Runtime",
    LITSERVE: "LitServe",
}
TORCHSERVE_TOOL, LITSERVE_TOOL = "bench-torchserve", "bench-litserve"
# `serve` writes under /etc and wants to be the only one of its kind; all that it starts dies with its first process
UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
OVERLAY = 'mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc && shift && exec "$@"'
# what would tune one server and not the others
NOT_PASSED_ON = (
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "KMP_",
    "ORT_",
    "TS_",
    "SAGEMAKER_",
    "WHIPPET_",
    "PYTHON",
    "LD_PRELOAD",
    "JAVA_",
)


class UnavailableError(Exception):
    """This server cannot be run on this machine; the text says what is missing."""


@dataclass(frozen=True)
class Tuning:
    """One server in one configuration."""

    system: str
    workers: int | None = None
    """Processes; None leaves it to the server."""
    threads: int | None = None
    """Of each process; None leaves it to the engine."""
    batch: int = 1
    engine: str = "onnx"
    """LitServe's alone: onnx or torch; the others' follows from what they are."""
    draft: bool = False
    """Let the handler decode JPEGs at a fraction of their size, as ours does."""

    @property
    def name(self) -> str:
        if self.system in {OURS, INT8}:
            return "as it comes"
        words = [] if self.workers is None and self.threads is None else [f"{self.workers} x {self.threads}"]
        words += [f"batch {self.batch}"] * (self.batch > 1)
        words += [{"onnx": "ONNX Runtime", "torch": "eager"}[self.engine]] * (self.system == LITSERVE)
        words += ["scaled decode"] * self.draft
        return ", ".join(words) or "as it comes"


def grid(cores: int, systems: Iterable[str]) -> list[Tuning]:
    """Workers x threads that use every core in either way, the defaults, batches, and a decoder that scales."""
    tried: list[Tuning] = []
    for system in systems:
        if system in {A, B}:
            tried += [
                Tuning(system),
                Tuning(system, 1, cores),
                Tuning(system, cores, 1),
                Tuning(system, cores, 1, batch=4),
                Tuning(system, cores, 1, draft=True),
            ]
        if system == LITSERVE:
            tried += [
                Tuning(system, 1, cores, engine="torch"),
                Tuning(system, 1, cores),
                Tuning(system, cores, 1),
            ]
    return list(dict.fromkeys(tried))


@dataclass(frozen=True)
class Launch:
    """How to start it."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0


class Machine:
    """What this machine can run, and with which programs."""

    def __init__(self, environments: dict[str, Path | str]) -> None:
        """`environments` maps a tool to its virtual environment, or to the reason why there is none."""
        self._environments = environments

    def check(self, system: str) -> None:
        """Raise where a system cannot run here."""
        if system in {A, B}:
            self._python(TORCHSERVE_TOOL)
            if shutil.which("java") is None:
                raise UnavailableError(
                    "TorchServe is a Java program and there is no java; on Debian: apt install default-jre-headless"
                )
            if shutil.which("unshare") is None:
                raise UnavailableError(
                    "`serve` of AWS's stack writes under /etc; there is no unshare to keep it from this machine's"
                )
            tried = subprocess.run([*self._unshare(), "true"], capture_output=True, text=True, check=False)
            if tried.returncode:
                raise UnavailableError(f"`serve` of AWS's stack needs a namespace of its own: {tried.stderr.strip()}")
        if system == LITSERVE:
            self._python(LITSERVE_TOOL)

    def launch(self, tuning: Tuning, models: Models, folder: Path) -> Launch:
        """The command for a tuning; what it writes stays in the folder."""
        port = free_port()
        if tuning.system in {OURS, INT8}:
            command = [sys.executable, "-m", "serving", "--model", str(models.served), "--port", str(port)]
            precision = {"WHIPPET_SERVING_PRECISION": "int8"} if tuning.system == INT8 else {}
            return Launch(
                command, _environment(Path(sys.executable).parent, {**precision, "PYTHONPATH": str(ROOT)}), port
            )
        model = models.torch if tuning.system == A or tuning.engine == "torch" else models.onnx
        more = {"WHIPPET_BENCH_DRAFT": "1"} if tuning.draft else {}
        if tuning.threads is not None:
            more["OMP_NUM_THREADS"] = str(tuning.threads)
        if tuning.system == LITSERVE:
            python = self._python(LITSERVE_TOOL)
            program = Path(__file__).with_name("handlers") / "litserve_api.py"
            command = [str(python), str(program), str(model), str(port), str(tuning.workers)]
            more["PYTHONPATH"] = str(model / "code")
            return Launch(command, _environment(python.parent, more), port)
        return self._torchserve(tuning, model, folder, port, more)

    def _torchserve(self, tuning: Tuning, model: Path, folder: Path, port: int, more: dict[str, str]) -> Launch:
        """`serve`, as SageMaker calls it."""
        python = self._python(TORCHSERVE_TOOL)
        for name in ("upper", "work", "base"):
            (folder / name).mkdir()
        shutil.copytree(model, folder / "base" / "model", copy_function=os.link)
        more |= {
            "SAGEMAKER_BASE_DIR": str(folder / "base"),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "TS_METRICS_ADDRESS": f"http://127.0.0.1:{free_port()}",
            "TS_GRPC_INFERENCE_PORT": str(free_port()),
            "TS_GRPC_MANAGEMENT_PORT": str(free_port()),
        }
        if tuning.workers is not None:
            more |= {
                "SAGEMAKER_TS_MIN_WORKERS": str(tuning.workers),
                "SAGEMAKER_TS_MAX_WORKERS": str(tuning.workers),
                "SAGEMAKER_TS_BATCH_SIZE": str(tuning.batch),
                "SAGEMAKER_TS_MAX_BATCH_DELAY": "5",
            }
        command = [*self._unshare(), "sh", "-c", OVERLAY, "sh", str(folder), str(python.parent / "serve")]
        return Launch(command, _environment(python.parent, more), port)

    @staticmethod
    def _unshare() -> list[str]:
        return UNSHARE if os.geteuid() == 0 else [*UNSHARE, "--map-root-user"]

    def _python(self, tool: str) -> Path:
        found = self._environments[tool]
        if isinstance(found, str):
            raise UnavailableError(found)
        return found / "bin" / "python"


def _environment(programs: Path, more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
    return {**kept, "PATH": f"{programs}{os.pathsep}{kept.get('PATH', os.defpath)}", "PYTHONUNBUFFERED": "1", **more}
