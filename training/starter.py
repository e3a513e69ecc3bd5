"""The small model that the first deploy serves: retrain it from nothing and compare, or replace it.

python -m training.starter            exit 0 when the new test accuracy is within half a point of the committed one
python -m training.starter --write    replace training/starter/: the artefact, its card and the samples
"""

import argparse
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.arguments import CHANNELS, parse
from training.artifact import METADATA, file_sha256, pack
from training.card import model_card
from training.errors import TrainingError
from training.synthetic import LABELS, SyntheticSet, picture, write_set
from training.train import run

FOLDER = Path(__file__).resolve().parent / "starter"
ARCHIVE = "model.tar.gz"
SET = SyntheticSet()
FLAGS = ("--name", "starter", "--epochs", "15", "--threads", "2")
SAMPLES_SEED = 2  # the set itself is drawn from seed 1
ALLOWED_DIFFERENCE = 0.005


def retrain(workshop: Path) -> dict[str, Any]:
    """Draw the pictures, train on them, pack the artefact in `workshop`; answer with its model.json."""
    write_set(workshop / "data", SET)
    folders = [word for channel in CHANNELS for word in (f"--{channel}", str(workshop / "data" / channel))]
    metadata = run(parse([*folders, "--model-dir", str(workshop / "model"), *FLAGS], __doc__ or ""))
    pack(workshop / "model", workshop / ARCHIVE)
    return metadata


def committed() -> dict[str, Any]:
    """The model.json of the artefact in the repository."""
    archive = FOLDER / ARCHIVE
    if not archive.is_file():
        raise TrainingError(f"{archive}: no such file; python -m training.starter --write makes it")
    with tarfile.open(archive) as tar:
        member = tar.extractfile(METADATA)
        if member is None:
            raise TrainingError(f"{archive}: no {METADATA} in it; python -m training.starter --write makes it anew")
        metadata: dict[str, Any] = json.load(member)
        return metadata


def compare(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Say how the two did; an error when they are further apart than half a point."""
    accuracies = [metadata["metrics"]["test"]["accuracy"] for metadata in (new, old)]
    difference = abs(accuracies[0] - accuracies[1])
    verdict = (
        f"test accuracy {accuracies[0]:.4f} now, {accuracies[1]:.4f} committed: {difference * 100:.2f} points apart"
    )
    # a hair of room, since 0.9450 - 0.9400 is not quite 0.005 in floating point
    if difference > ALLOWED_DIFFERENCE + 1e-9:
        raise TrainingError(f"{verdict}, allowed is {ALLOWED_DIFFERENCE * 100:g}; look for what changed in training/")
    sys.stdout.write(f"starter model: {verdict}, within {ALLOWED_DIFFERENCE * 100:g}\n")


def replace_committed(workshop: Path, metadata: dict[str, Any]) -> None:
    """Put the new artefact, its card and the samples in the place of the old ones."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "samples").mkdir(parents=True)
    shutil.copyfile(workshop / ARCHIVE, FOLDER / ARCHIVE)
    (FOLDER / "MODEL_CARD.md").write_text(model_card(metadata, SET, file_sha256(FOLDER / ARCHIVE), " ".join(FLAGS)))
    for number, label in enumerate(LABELS):
        jpeg = picture(label, np.random.default_rng([SAMPLES_SEED, number]))
        (FOLDER / "samples" / f"{label}.jpg").write_bytes(jpeg)
    sys.stdout.write(f"wrote {FOLDER}\n")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the committed model instead of comparing")
    write = parser.parse_args(words).write
    try:
        with tempfile.TemporaryDirectory() as temporary:
            workshop = Path(temporary)
            old = None if write else committed()
            new = retrain(workshop)
            if old is None:
                replace_committed(workshop, new)
            else:
                compare(new, old)
    except TrainingError as error:
        sys.stderr.write(f"starter model: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
