"""Draw a set of labelled pictures whose best possible accuracy is known.

    python -m training.synthetic --out DIR [--train 6000 --valid 1000 --test 2000] [--label-noise 0.05] [--seed 1]
        [--labels ring,star]

Each picture shows one figure or texture that a person can name, under nuisances as photographs have them: place, size,
rotation, colour, light, an object in front, blur, noise, JPEG. Of every split, exactly the fraction `--label-noise`
carries a wrong label, drawn at random: who sees every figure rightly is right on 1 - noise of the split, and nobody
can do better but by luck. The classes are chosen so that mistakes in a pipeline cost accuracy: red and blue circles
(swapped channels), horizontal and vertical stripes (EXIF orientation, which a quarter of the files use), figures that
fill the frame differently (cropping, squashing).
"""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.figures import FIGURES, draw

LABELS = tuple(sorted(FIGURES))
SPLITS = ("train", "valid", "test")
EXIF_ORIENTATION = 0x0112
# the stored picture is turned by this, and the tag tells the viewer to turn it back
STORED_TURN = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class SyntheticSet:
    """What determines every byte of a set, given the versions of numpy and Pillow."""

    train: int = 6000
    valid: int = 1000
    test: int = 2000
    label_noise: float = 0.05
    seed: int = 1
    labels: tuple[str, ...] = LABELS

    def best_accuracy(self, split: str) -> float:
        """What a perfect eye reaches on a split."""
        count = getattr(self, split)
        return 1 - round(count * self.label_noise) / count


def write_set(folder: Path, wanted: SyntheticSet) -> None:
    """Write `train/`, `valid/`, `test/` as folders of JPEGs and `synthetic.json`, which says how they were made."""
    for number, split in enumerate(SPLITS):
        noise = np.random.default_rng([wanted.seed, number])
        labels = noisy_labels(getattr(wanted, split), wanted.label_noise, noise, wanted.labels)
        for label in wanted.labels:
            (folder / split / label).mkdir(parents=True, exist_ok=True)
        for index, label in enumerate(labels):
            jpeg = picture(true_label(index, wanted.labels), np.random.default_rng([wanted.seed, number, index]))
            (folder / split / label / f"{index:05d}.jpg").write_bytes(jpeg)
    facts = asdict(wanted) | {"best_accuracy": {split: wanted.best_accuracy(split) for split in SPLITS}}
    (folder / "synthetic.json").write_text(json.dumps(facts, indent=2) + "\n")


def true_label(index: int, classes: Sequence[str] = LABELS) -> str:
    """Classes take turns, so that each has the same number of pictures."""
    return classes[index % len(classes)]


def noisy_labels(count: int, noise: float, rng: np.random.Generator, classes: Sequence[str] = LABELS) -> list[str]:
    """The true labels, an exact number of them replaced by another class."""
    labels = [true_label(index, classes) for index in range(count)]
    for index in rng.permutation(count)[: round(count * noise)]:
        others = [label for label in classes if label != labels[index]]
        labels[index] = others[rng.integers(len(others))]
    return labels


def picture(label: str, rng: np.random.Generator) -> bytes:
    """One picture of a class as JPEG bytes; a quarter are stored turned, with the EXIF tag that says so."""
    image = draw(label, rng)
    exif = Image.Exif()
    if rng.random() < 0.25:  # noqa: PLR2004 (the quarter of the docstring)
        orientation = int(rng.choice(list(STORED_TURN)))
        image = image.transpose(STORED_TURN[orientation])
        exif[EXIF_ORIENTATION] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(60, 93)), exif=exif)
    return buffer.getvalue()


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    defaults = SyntheticSet()
    parser = argparse.ArgumentParser(prog="python -m training.synthetic", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write into; must not hold a set already")
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=int, default=getattr(defaults, split), help="number of pictures")
    parser.add_argument("--label-noise", type=float, default=defaults.label_noise, help="fraction of labels, 0..0.5")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument(
        "--labels", type=lambda text: tuple(text.split(",")), default=LABELS, help="these classes alone, by commas"
    )
    arguments = parser.parse_args(words)
    unknown = sorted(set(arguments.labels) - set(LABELS))
    if unknown or len(set(arguments.labels)) < 2:  # noqa: PLR2004 (one class is nothing to tell)
        parser.error(f"--labels {','.join(arguments.labels)}: it takes two or more of {', '.join(LABELS)}")
    classes = len(arguments.labels)
    if min(arguments.train, arguments.valid, arguments.test) < classes:
        parser.error(f"each of --train, --valid and --test must be at least {classes}, one picture of every class")
    if not 0 <= arguments.label_noise <= 0.5:  # noqa: PLR2004 (beyond a half, labels say nothing)
        parser.error(f"--label-noise {arguments.label_noise}: allowed is 0 to 0.5")
    if (arguments.out / "synthetic.json").exists():
        parser.error(f"--out {arguments.out}: it holds a set already; name another folder or remove it")
    return arguments


def main(words: Sequence[str]) -> int:
    chosen = vars(_arguments(words))
    folder = chosen.pop("out")
    wanted = SyntheticSet(**chosen)
    try:
        write_set(folder, wanted)
    except OSError as error:
        sys.stderr.write(f"--out {folder}: cannot be written ({error.strerror}); name a folder you may write\n")
        return 1
    sys.stdout.write(f"{folder}: {wanted.train + wanted.valid + wanted.test} pictures of {', '.join(wanted.labels)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
