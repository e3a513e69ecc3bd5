"""`ops train --local`: the same code, with the stage's hyperparameters, as a process on this machine."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from config.load import FOLDER, load_stage
from ops.cdk import ROOT
from ops.console import answer
from ops.errors import OperatorError, WorkFailed
from ops.work.figures import Figures
from ops.work.logs import LAST_LINES
from ops.work.requests import new_name
from ops.work.screen import Screen
from ops.work.wishes import Wish, flag, settings, text

Json = dict[str, Any]
SPLITS = ("train", "valid", "test")


def run(arguments: argparse.Namespace) -> int:
    for word, value in (("--instance-type", arguments.instance_type), ("--spot", arguments.spot)):
        if value is not None:
            raise OperatorError(f"{word} does not go with --local: this machine is what it is.")
    if arguments.tuned or arguments.detach:
        word = "--tuned" if arguments.tuned else "--detach"
        raise OperatorError(f"{word} does not go with --local, which asks nothing of AWS and ends with its process.")
    config, _ = settings(load_stage(arguments.stage, arguments.stages or FOLDER)[0], Wish.told(arguments))
    own = config.training
    if own.weights is not None and arguments.weights is None:
        raise OperatorError(
            f"This stage begins from {own.weights.key} in its bucket: fetch it, and name it with --weights FILE."
        )
    name = new_name("", "here")
    out = (arguments.out or Path.cwd() / "trained" / name).resolve()
    data = folder(arguments.data)
    words = [
        *(word for split in SPLITS for word in (f"--{split}", str(prepared_folder(data, out) / split))),
        *("--model-dir", str(out / "model"), "--name", config.stage.project),
        *(f"--{flag(key)}={text(value)}" for key, value in own.hyperparameters.model_dump().items()),
        *(["--ranks", str(arguments.instances)] if arguments.instances else []),
        *(["--weights", str(arguments.weights.resolve())] if own.weights and arguments.weights else []),
        *(["--weights-sha256", own.weights.sha256] if own.weights else []),
    ]
    if arguments.dry_run:
        shown = [sys.executable, "-m", "training.train", *words]
        return answer(arguments, {"command": shown}, lambda console: console.print(" ".join(shown), markup=False))
    if not is_split(data):
        # By the same seed as the pipeline, so that both test with the same pictures.
        split = ["--data", str(data), "--out", str(out / "data"), "--seed", str(own.hyperparameters.seed)]
        python(["training.prepare", *split], Screen("Prepare the data set"))
    began = time.monotonic()
    figures = python(["training.train", *words], Screen("Train here", own.hyperparameters.epochs))
    found = {
        "name": name,
        "kind": "here",
        "metrics": {key: value for key, value in figures.last.items() if key != "epoch"},
        "wall_seconds": round(time.monotonic() - began, 1),
        "model": str(out / "model"),
    }
    said = [f"{key} {value:.4f}" for key, value in figures.last.items() if key in ("test_accuracy", "test_macro_f1")]
    return answer(
        arguments,
        found,
        lambda console: console.print(f"{', '.join(said)}; the model and its report are in {out / 'model'}"),
    )


def folder(told: str | None) -> Path:
    if told is None:
        raise OperatorError("--local trains on a folder: name it with --data DIR.")
    found = Path(told).resolve()
    if not found.is_dir():
        raise OperatorError(f"--data {told}: there is no such folder, and --local trains on a folder of this machine.")
    return found


def is_split(data: Path) -> bool:
    return all((data / split).is_dir() for split in SPLITS)


def prepared_folder(data: Path, out: Path) -> Path:
    """The folder itself where it is split already."""
    return data if is_split(data) else out / "data"


def python(words: list[str], screen: Screen) -> Figures:
    """A module of the repository, seen as a job is; what it prints on standard error belongs to its log too."""
    # In a session of its own, so that Ctrl-C reaches it once, from here.
    with (
        screen,
        subprocess.Popen(
            [sys.executable, "-u", "-m", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        ) as process,
    ):
        last: list[str] = []
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            for line in process.stdout:
                screen.line(line.rstrip())
                last = [*last[-LAST_LINES:], line.rstrip()]
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise KeyboardInterrupt("Interrupted; the training here has ended with it.") from None
    if process.returncode:
        reason = next((line for line in reversed(last) if line.startswith("training: ")), f"{words[0]} failed")
        raise WorkFailed(reason)
    return screen.figures
