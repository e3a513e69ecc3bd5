"""A training job as a real process in the layout of SageMaker's script mode."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Job:
    """What a finished job left."""

    base: Path
    status: int
    stdout: str
    stderr: str

    @property
    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()


def run_job(base: Path, pictures: Path, *flags: str, channels: tuple[str, ...] = ("train", "valid", "test")) -> Job:
    """Run a copy of training/ by its path, from elsewhere, with SageMaker's environment and nothing else."""
    code = base / "code"
    (base / "output").mkdir(parents=True)
    (base / "model").mkdir()
    shutil.copytree(ROOT / "training", code / "training", ignore=shutil.ignore_patterns("starter"))
    environment = {f"SM_CHANNEL_{name.upper()}": str(pictures / name) for name in channels}
    environment |= {"SM_MODEL_DIR": str(base / "model"), "SM_OUTPUT_DATA_DIR": str(base / "output" / "data")}
    environment |= {"SAGEMAKER_BASE_DIR": str(base), "PATH": os.environ["PATH"]}
    words = [sys.executable, "-W", "error", str(code / "training" / "entry.py"), *flags]
    result = subprocess.run(words, cwd=base, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return Job(base, result.returncode, result.stdout, result.stderr)
