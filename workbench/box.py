"""What runs on the training box: `whippet-train`, and the check that stops it when idle. Needs the AWS CLI alone.

whippet-train [--data PREFIX] [flags of training.train]     train on dataset/PREFIX, leave the model in the bucket
box.py fetch                                                code and data, as at the first start
box.py idle                                                 once a minute, by a timer
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

SETTINGS = Path("/etc/whippet.json")
LAST_BUSY = Path("/run/whippet-last-busy")
PROC = Path("/proc")
# Import name -> what to install where the AMI lacks it; the versions that training is tested with.
PACKAGES = {
    "numpy": "numpy==2.4.6",
    "onnx": "onnx==1.23.2",
    "onnxruntime": "onnxruntime==1.31.1",
    "PIL": "pillow==13.0.0",
}
SPLITS = ("train", "valid", "test")
BUSY_LOAD = 0.5
BUSY_GPU_PERCENT = 5
# Session Manager's shells and Run Command's commands are these programs.
AGENT_WORKERS = ("ssm-session-worker", "ssm-document-worker")


class BoxError(Exception):
    """A sentence for whoever sits at the box."""


@dataclass(frozen=True)
class Settings:
    bucket: str
    region: str
    code_parameter: str
    folder: Path
    idle_minutes: int

    @classmethod
    def read(cls, path: Path) -> "Settings":
        found = json.loads(path.read_text())
        return cls(**{**found, "folder": Path(found["folder"])})


@dataclass(frozen=True)
class Reading:
    """What there is to see of a box at work."""

    load: float
    logins: int
    sessions: int
    gpu_percent: int

    def reason(self) -> str | None:
        """Why the box is not idle."""
        if self.load >= BUSY_LOAD:
            return f"load {self.load:.2f}"
        if self.logins or self.sessions:
            return f"{self.logins} logins, {self.sessions} sessions or commands"
        if self.gpu_percent >= BUSY_GPU_PERCENT:
            return f"GPU at {self.gpu_percent} %"
        return None


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="box.py", description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "fetch"):
        commands.add_parser(name, add_help=False).add_argument("--data", default="", help="a folder below dataset/")
    told = commands.choices["train"]
    told.add_argument("--weights", default="", help="an address in S3, or what training.train takes")
    told.add_argument("--seed", default="1", help="of training, and of the split of a set that has none")
    commands.add_parser("idle")
    options, flags = parser.parse_known_args(words)
    if flags and options.command != "train":
        parser.error(f"{options.command} takes no {' '.join(flags)}")
    try:
        settings = Settings.read(options.settings)
        if options.command == "idle":
            stop_when_idle(settings, observe(PROC), LAST_BUSY, time.time())
        elif options.command == "fetch":
            fetch_code(settings)
            fetch_data(settings, options.data)
        else:
            seed = ["--seed", options.seed]
            train(settings, options.data, seed, [*fetch_weights(settings, options.weights), *flags])
    except (BoxError, OSError, ValueError) as error:
        sys.stderr.write(f"whippet: {error}\n")
        return 1
    return 0


def train(settings: Settings, prefix: str, seed: list[str], flags: list[str]) -> str:
    """Returns the model's key in the bucket, which says what it holds."""
    code, data = fetch_code(settings), fetch_data(settings, prefix)
    install_missing()
    if not all((data / name).is_dir() for name in SPLITS):
        # As the pipeline's first step does it: by content, so that both test with the same pictures.
        whole, data = data, fresh(settings.folder / "prepared")
        python(code, "training.prepare", "--data", str(whole), "--out", str(data), *seed)
    model = fresh(settings.folder / "model")
    archive = settings.folder / "model.tar.gz"
    channels = [word for name in SPLITS for word in (f"--{name}", str(data / name))]
    python(code, "training.train", *channels, "--model-dir", str(model), *seed, *flags)
    python(code, "training.artifact", str(model), str(archive))
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"models/{digest}/model.tar.gz"
    aws(settings, "s3", "cp", "--only-show-errors", str(archive), f"s3://{settings.bucket}/{key}")
    sys.stdout.write(f'the model is in the bucket; to serve it: [model] artifact = "{key}"\n')
    return key


def fetch_code(settings: Settings) -> Path:
    """The code of the last deploy, anew each time."""
    query = ("--query", "Parameter.Value", "--output", "text")
    address = aws(settings, "ssm", "get-parameter", "--name", settings.code_parameter, *query).strip()
    folder = fresh(settings.folder / "code")
    archive = folder / "sourcedir.tar.gz"
    aws(settings, "s3", "cp", "--only-show-errors", address, str(archive))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    package = next(folder.rglob("training/train.py"), None)
    if package is None:
        raise BoxError(f"{address} holds no training/train.py; deploy the workbench again")
    return package.parent.parent


def fetch_data(settings: Settings, prefix: str) -> Path:
    """What changed since the last time; what is gone from the bucket goes here too."""
    source = "/".join(part for part in ("dataset", prefix.strip("/")) if part)
    folder = settings.folder / source
    folder.mkdir(parents=True, exist_ok=True)
    aws(settings, "s3", "sync", "--delete", "--only-show-errors", f"s3://{settings.bucket}/{source}/", str(folder))
    if not any(folder.iterdir()):
        raise BoxError(f"s3://{settings.bucket}/{source}/ is empty; push a data set there")
    return folder


def fetch_weights(settings: Settings, told: str) -> list[str]:
    """The flag that begins from them; the box's role may read those that the stage file names."""
    if told.startswith("s3://"):
        file = fresh(settings.folder / "weights") / told.rsplit("/", 1)[-1]
        aws(settings, "s3", "cp", "--only-show-errors", told, str(file))
        told = str(file)
    return ["--weights", told] if told else []


def install_missing() -> None:
    missing = [wanted for name, wanted in PACKAGES.items() if importlib.util.find_spec(name) is None]
    if (
        missing
        and subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=False).returncode
    ):
        raise BoxError(
            f"{', '.join(missing)} cannot be installed; a box without a way to the internet needs an AMI that has them"
        )


def python(folder: Path, module: str, *words: str) -> None:
    # -u: who follows from afar sees a line when it is said.
    if subprocess.run([sys.executable, "-u", "-m", module, *words], cwd=folder, check=False).returncode:
        raise BoxError(f"{module} failed, as it says above")


def aws(settings: Settings, *words: str) -> str:
    command = ["aws", "--region", settings.region, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BoxError(f"{' '.join(command[3:6])} failed, as it says above")
    return done.stdout


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def observe(proc: Path) -> Reading:
    return Reading(
        load=float((proc / "loadavg").read_text().split()[0]),
        logins=len(answer(["who"]).splitlines()),
        sessions=sum(worker in line for line in command_lines(proc) for worker in AGENT_WORKERS),
        gpu_percent=max((int(line) for line in gpu_lines() if line.strip().isdigit()), default=0),
    )


def gpu_lines() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    return answer(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]).splitlines()


def answer(command: list[str]) -> str:
    """Empty where the program fails: what cannot be seen does not keep a box running for ever."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def command_lines(proc: Path) -> list[str]:
    found = []
    for process in proc.glob("[0-9]*"):
        # It may have ended meanwhile.
        with contextlib.suppress(OSError):
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def stop_when_idle(settings: Settings, reading: Reading, last_busy: Path, now: float) -> bool:
    """Remember when the box was last busy; stop it when that is long ago. A start counts, since /run is empty then."""
    reason = reading.reason()
    if reason is not None or not last_busy.exists():
        last_busy.write_text(str(now))
        return False
    idle = (now - float(last_busy.read_text())) / 60
    if idle < settings.idle_minutes:
        return False
    sys.stdout.write(f"idle for {idle:.0f} minutes: stopping\n")
    subprocess.run(["shutdown", "-h", "now"], check=True)
    return True


if __name__ == "__main__":
    os.environ.setdefault("AWS_PAGER", "")
    sys.exit(main(sys.argv[1:]))
