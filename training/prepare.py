"""Check a data set picture by picture, split it where it is not split yet, and write down what is in it.

    python -m training.prepare --data DATA --out OUT [--valid 0.15] [--test 0.15] [--seed 1]
        [--on-bad-image skip|fail] [--on-duplicate report|drop|fail]
    python -m training.prepare --data DATA --plan ...

DATA holds train/, valid/ and test/, each with one folder of images for each class; or the class folders themselves,
which are then split: by content, so that two copies of one picture never stand on both sides. OUT gets the three
splits and prepared.json. Pictures that cannot be used are named and left out, or refused; too many of them are an error
either way. A picture that stands in two of the given splits is reported, left out of the earlier one, or refused.
With --plan nothing is copied: what would be, and all that is wrong, goes to standard output as one JSON document.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.console import progress
from training.data import class_folders, label_of, labels_of, misnamed_in
from training.duplicates import across
from training.errors import NAMED, TrainingError, named
from training.failure import report_failure
from training.pictures import SUFFIXES, PictureError, read, sha256_of
from training.preprocess import Recipe

SPLITS = ("train", "valid", "test")
REPORT = "prepared.json"
# Every picture is decoded to its end, as training will do it; the size does not matter for that.
PROBE = Recipe(height=32, width=32, resize=32)


@dataclass(frozen=True)
class Seen:
    """A picture that can be used."""

    sha256: str
    fingerprint: str
    traits: tuple[str, ...]


@dataclass(frozen=True)
class Looked:
    """Every file of a data set, as it was found."""

    splits: dict[str, list[Path]]
    """One nameless split where the folder holds classes."""
    seen: dict[Path, Seen]
    left_out: dict[str, str]

    @property
    def is_split(self) -> bool:
        return set(self.splits) != {""}


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path)
    place.add_argument("--plan", action="store_true", help="copy nothing; print what would be copied, as JSON")
    parser.add_argument("--valid", type=float, default=0.15, help="share for validation (%(default)s)")
    parser.add_argument("--test", type=float, default=0.15, help="share for the test (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the split (%(default)s)")
    parser.add_argument("--tolerate", type=float, default=0.05, help="share of unreadable pictures (%(default)s)")
    parser.add_argument("--on-bad-image", choices=("skip", "fail"), default="skip", help="(%(default)s)")
    parser.add_argument("--on-duplicate", choices=("report", "drop", "fail"), default="report", help="(%(default)s)")
    arguments = parser.parse_args(words)
    try:
        if arguments.plan:
            sys.stdout.write(json.dumps(plan(arguments)) + "\n")
            return 0
        report = prepare(arguments)
    except TrainingError as error:
        if arguments.plan:
            sys.stdout.write(json.dumps({"refused": str(error)}) + "\n")
            return 1
        report_failure(str(error))
        sys.stderr.write(f"prepare: {error}\n")
        return 1
    except Exception as error:  # a defect: the log gets the trace, the job its reason
        report_failure(f"{type(error).__name__}: {error}")
        raise
    for name, why in report["left_out"].items():
        sys.stdout.write(f"left out: {name} {why}\n")
    for trait, names in report["traits"].items():
        sys.stdout.write(f"note: {len(names)} images {trait}: {named(names, ', ')}\n")
    for name, why in report["duplicates"].items():
        sys.stdout.write(f"duplicate: {name} {why}\n")
    sys.stdout.write(f"{json.dumps(report['pictures'])} pictures in {len(report['labels'])} classes\n")
    return 0


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Copy what can be used into its split; answers what was written down."""
    looked = look(arguments)
    placed, copies = place(looked, arguments)
    for name, files in placed.items():
        for file in files:
            target = arguments.out / name / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    report = _report(arguments.data, looked, placed, copies)
    (arguments.out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return report


def plan(arguments: argparse.Namespace) -> dict[str, Any]:
    """What would be copied, and all that is wrong, also where that is too much: `refused` says so then."""
    looked = look(arguments)
    wrong = {"left_out": looked.left_out, "traits": _traits(arguments.data, looked.seen), "split": looked.is_split}
    try:
        placed, copies = place(looked, arguments)
    except TrainingError as error:
        return {**wrong, "refused": str(error)}
    files = [
        {"file": str(file), "split": name, "label": _label(file), "sha256": looked.seen[file].sha256}
        for name, files in placed.items()
        for file in files
    ]
    return {**wrong, **_report(arguments.data, looked, placed, copies), "files": files, "refused": None}


def look(arguments: argparse.Namespace) -> Looked:
    """Every picture is decoded."""
    if min(arguments.valid, arguments.test) <= 0 or arguments.valid + arguments.test >= 1:
        raise TrainingError(
            f"--valid {arguments.valid:g} --test {arguments.test:g}: each must be above 0, and both together below 1"
        )
    splits = read_splits(arguments.data)
    seen, left_out = sift(arguments.data, [file for files in splits.values() for file in files])
    return Looked(splits, seen, left_out | _hidden(arguments.data, splits) | _too_deep(arguments.data, splits))


def place(looked: Looked, arguments: argparse.Namespace) -> tuple[dict[str, list[Path]], dict[Path, str]]:
    """Split -> its pictures, and those of them that stand in a later split too."""
    total = len(looked.seen) + len(looked.left_out)
    tolerated = 0 if arguments.on_bad_image == "fail" else arguments.tolerate
    if not looked.seen or len(looked.left_out) > tolerated * total:
        raise TrainingError(_too_many(looked.left_out, total, tolerated))
    if looked.is_split:
        placed = {name: [file for file in files if file in looked.seen] for name, files in looked.splits.items()}
    else:
        placed = split(looked.seen, valid=arguments.valid, test=arguments.test, seed=arguments.seed)
    copies = _copies(arguments.data, placed, looked.seen)
    if copies and arguments.on_duplicate == "fail":
        listed = named([f"{_name(arguments.data, file)} {why}" for file, why in copies.items()])
        raise TrainingError(
            f"{len(copies)} pictures stand in two splits, so that accuracy would say too much: {listed}"
        )
    if arguments.on_duplicate == "drop":
        placed = {name: [file for file in files if file not in copies] for name, files in placed.items()}
    _check_classes(placed)
    return placed, copies


def _report(data: Path, looked: Looked, placed: dict[str, list[Path]], copies: dict[Path, str]) -> dict[str, Any]:
    counted = {name: Counter(_label(file) for file in files) for name, files in placed.items()}
    contents = sorted(looked.seen[file].sha256 for files in placed.values() for file in files)
    return {
        "labels": sorted(counted["train"]),
        "pictures": {name: len(files) for name, files in placed.items()},
        "classes": {name: dict(sorted(counts.items())) for name, counts in counted.items()},
        "left_out": looked.left_out,
        "duplicates": {_name(data, file): why for file, why in copies.items()},
        "traits": _traits(data, looked.seen),
        "sha256": hashlib.sha256("".join(contents).encode()).hexdigest(),
    }


def read_splits(data: Path) -> dict[str, list[Path]]:
    """Split -> its pictures; one nameless split where the folder holds classes."""
    if not data.is_dir():
        raise TrainingError(
            f"{data}: no such folder; name one with train/, valid/ and test/, or one folder for each class"
        )
    there = [name for name in SPLITS if (data / name).is_dir()]
    if there and len(there) < len(SPLITS):
        missing = ", ".join(name for name in SPLITS if name not in there)
        raise TrainingError(
            f"{data}: holds {', '.join(there)} but not {missing}; give all three, or none to have it split"
        )
    if not there:
        labels_of(data)  # two classes, each told from the other
        return {"": _pictures(data)}
    for name in there:
        labels_of(data / name)
    return {name: _pictures(data / name) for name in there}


def sift(data: Path, files: list[Path]) -> tuple[dict[Path, Seen], dict[str, str]]:
    """The pictures that can be used, and the others by name with what is wrong."""

    def probe(file: Path) -> Seen | str:
        try:
            if not _is_utf8("".join(file.parts[-2:])):
                return "has a name that is no UTF-8; rename it"
            if file.exists() and not file.is_file():
                return "is no file"  # a pipe would be waited for
            picture = read(file, PROBE)
        except PictureError as error:
            return str(error)
        finally:
            tick()
        return Seen(sha256_of(file.read_bytes()), picture.fingerprint, picture.traits)

    with progress("checking", len(files)) as tick, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(zip(files, pool.map(probe, files), strict=True))
    usable = {file: result for file, result in found if isinstance(result, Seen)}
    return usable, {_name(data, file): result for file, result in found if isinstance(result, str)}


def split(seen: dict[Path, Seen], *, valid: float, test: float, seed: int) -> dict[str, list[Path]]:
    """Each class apart, in an order that its pictures' content and the seed decide."""
    placed: dict[str, list[Path]] = {name: [] for name in SPLITS}
    for label in sorted({_label(file) for file in seen}):
        contents: dict[str, list[Path]] = {}
        for file, picture in seen.items():
            if _label(file) == label:
                key = hashlib.sha256(f"{seed} {picture.fingerprint}".encode()).hexdigest()
                contents.setdefault(key, []).append(file)
        order = sorted(contents)
        if len(order) < len(SPLITS):
            raise TrainingError(f"{label}: {len(order)} different pictures; each class needs at least {len(SPLITS)}")
        tests, valids = max(1, round(test * len(order))), max(1, round(valid * len(order)))
        for rank, content in enumerate(order):
            name = "test" if rank < tests else "valid" if rank < tests + valids else "train"
            placed[name] += contents[content]
    return {name: sorted(files) for name, files in placed.items()}


def _copies(data: Path, placed: dict[str, list[Path]], seen: dict[Path, Seen]) -> dict[Path, str]:
    """Pictures that stand in a later split too."""
    marks = {
        name: ([seen[file].sha256 for file in files], [seen[file].fingerprint for file in files])
        for name, files in placed.items()
    }
    return {
        placed[copy.split][copy.index]: f"is the same picture as {_name(data, placed[copy.later][copy.later_index])}"
        for copy in across(marks)
    }


def _hidden(data: Path, splits: dict[str, list[Path]]) -> dict[str, str]:
    return {
        f"{name}/{file}" if name else file: why for name in splits for file, why in misnamed_in(data / name).items()
    }


def _too_deep(data: Path, splits: dict[str, list[Path]]) -> dict[str, str]:
    """Pictures in a folder of a class's folder: nothing says that they are of its class."""
    return {
        _name(data, file): "lies in a folder below its class's; move it up"
        for name in splits
        for entry in class_folders(data / name)
        for file in sorted(entry.rglob("*"))
        if file.parent != entry and _is_picture(file) and file.is_file()
    }


def _traits(data: Path, seen: dict[Path, Seen]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file, picture in seen.items():
        for trait in picture.traits:
            found.setdefault(trait, []).append(_name(data, file))
    return found


def _name(data: Path, file: Path) -> str:
    # Names are bytes on most systems; what is no text must still be told.
    return os.fsencode(file.relative_to(data).as_posix()).decode(errors="backslashreplace")


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _check_classes(placed: dict[str, list[Path]]) -> None:
    labels = sorted({_label(file) for file in placed["train"]})
    for name, files in placed.items():
        missing = sorted(set(labels) - {_label(file) for file in files})
        unknown = sorted({_label(file) for file in files} - set(labels))
        if missing:
            raise TrainingError(f"{name}: no readable picture of {', '.join(missing[:NAMED])}")
        if unknown:
            raise TrainingError(f"{name}: {', '.join(unknown[:NAMED])} has no picture in train")


def _too_many(left_out: dict[str, str], total: int, tolerated: float) -> str:
    if not total:
        return f"no image at all; expected are files ending in {', '.join(sorted(SUFFIXES))}"
    listed = named([f"{name} {why}" for name, why in left_out.items()])
    limit = f", more than {tolerated:.0%}" if tolerated else "; --on-bad-image skip leaves them out"
    return f"{len(left_out)} of {total} pictures cannot be used{limit}: {listed}"


def _pictures(folder: Path) -> list[Path]:
    """Those of each class folder; not deeper, so that a picture's folder is its class."""
    return sorted(file for entry in class_folders(folder) for file in _listed(entry) if _is_picture(file))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be read ({error.strerror})") from error


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _label(file: Path) -> str:
    return label_of(file.parent.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
