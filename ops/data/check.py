"""Look at every picture of a folder before anything is sent, with training's own eyes.

What counts as a fault, and how a set is split that is not, is said in `training/prepare.py` and nowhere else: it ships
alone and is no library of ours, so that it runs as a program, as it does in the first step of the pipeline.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops import cdk
from ops.data.dataset import SPLITS, DataSet, Picture
from ops.data.names import refuse_unfit_keys
from ops.errors import OperatorError, Refused


@dataclass(frozen=True)
class Terms:
    """What is asked of a data set; the words are those of `training.prepare`."""

    split: tuple[int, int, int] | None = None
    """Per cent of train, valid, test for a set without splits; None: training's own."""
    seed: int = 1
    on_bad_image: str = "skip"
    on_duplicate: str = "report"

    @property
    def words(self) -> list[str]:
        said = ["--seed", str(self.seed), "--on-bad-image", self.on_bad_image, "--on-duplicate", self.on_duplicate]
        if self.split:
            _, valid, test = self.split
            said += ["--valid", str(valid / 100), "--test", str(test / 100)]
        return said


@dataclass(frozen=True)
class Looked:
    """What was found, also where the set is refused."""

    refused: str | None
    left_out: dict[str, str]
    dataset: DataSet | None


def check(folder: Path, name: str, terms: Terms, *, watched: bool = True) -> DataSet:
    """The set, or Refused."""
    looked = look(folder, name, terms, watched=watched)
    if looked.dataset is None:
        raise Refused(f"{looked.refused}.")
    return looked.dataset


def look(folder: Path, name: str, terms: Terms, *, watched: bool = True) -> Looked:
    """Watched: its progress is drawn on our own standard error."""
    if terms.split and any((folder / split).is_dir() for split in SPLITS):
        raise OperatorError(f"{folder} is split already: --split is for a folder without train/, valid/ and test/.")
    found = _planned(folder, terms, None if watched else subprocess.PIPE)
    if found["refused"]:
        return Looked(found["refused"], found["left_out"], None)
    try:
        pictures = tuple(sorted((_picture(one) for one in found["files"]), key=lambda each: each.key))
    except OSError as error:
        raise OperatorError(f"{error.filename} has gone while the set was looked at: run the same again.") from None
    refuse_unfit_keys(name, [picture.key for picture in pictures])
    dataset = DataSet(
        name=name,
        pictures=pictures,
        was_split=found["split"],
        left_out=found["left_out"],
        duplicates=found["duplicates"],
        traits=found["traits"],
    )
    return Looked(None, found["left_out"], dataset)


def _planned(folder: Path, terms: Terms, stderr: int | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "training.prepare", "--plan", "--data", str(folder.absolute()), *terms.words]
    # A session of its own, so that Ctrl-C reaches us alone: what there is to say about it, we say.
    with subprocess.Popen(
        command, cwd=cdk.ROOT, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
    ) as program:
        try:
            out, said = program.communicate()
        finally:
            program.kill()
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        words = (said or b"").decode(errors="replace").strip() or "its words stand above"
        raise OperatorError(f"The pictures could not be looked at: {words}") from None
    if program.returncode:
        raise Refused(f"{found['refused']}.")
    return found


def _picture(found: dict[str, str]) -> Picture:
    file = Path(found["file"])
    return Picture(
        file=file,
        key=f"{found['split']}/{file.parent.name}/{file.name}",
        label=found["label"],
        sha256=found["sha256"],
        size=file.stat().st_size,
    )
