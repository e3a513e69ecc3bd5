"""What is done to training pictures so that the network does not learn them by heart.

Every random choice follows from the seed, the epoch and the number of the batch: a run that goes on from a checkpoint
and a run on two ranks draw what an uninterrupted run on one draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from training.preprocess import Pixels

Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]
AUGMENTATIONS = ("crop", "trivial")


@dataclass(frozen=True)
class Draws:
    """The choices of one batch, one row a sample of the whole batch, whichever rank it falls to."""

    tops: Numbers
    """Where the crop lies in its margin, 0..1."""
    lefts: Numbers
    mirrors: Numbers
    operations: Numbers
    """Which of TrivialAugment's, 0..1, and how strongly, -1..1."""
    strengths: Numbers
    partners: Indices | None
    """Whom each sample is mixed with."""
    share: float
    """What a sample keeps of itself when mixed."""
    box: tuple[float, float, float, float] | None
    """top, left, bottom, right, 0..1, of what CutMix takes from the partner; None: MixUp."""

    @classmethod
    def of(cls, seed: int, epoch: int, batch: int, count: int, *, mixup: float, cutmix: float) -> "Draws":
        rng = np.random.default_rng([seed, epoch, batch])
        tops, lefts, mirrors, operations, strengths = rng.random((5, count))
        partners, share, box = None, 1.0, None
        if mixup or cutmix:
            cuts = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)  # noqa: PLR2004 (a coin)
            alpha = cutmix if cuts else mixup
            partners, share = rng.permutation(count), float(rng.beta(alpha, alpha))
            if cuts:
                box, share = _box(share, rng)
        return cls(tops, lefts, mirrors, operations, 2 * strengths - 1, partners, share, box)


def _box(share: float, rng: np.random.Generator) -> tuple[tuple[float, float, float, float], float]:
    """A box anywhere, cut off at the border; the share is what it then leaves."""
    half, middle = np.sqrt(1 - share) / 2, rng.random(2)
    (top, left), (bottom, right) = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    return (float(top), float(left), float(bottom), float(right)), float(1 - (bottom - top) * (right - left))


def crop(pixels: Pixels, size: tuple[int, int], draws: Draws, rows: Indices, *, flip: bool) -> Pixels:
    """Cut each picture somewhere within its margin and mirror half of them, if asked."""
    count, height, width = pixels.shape[:3]
    out: Pixels = np.empty((count, *size, 3), dtype=np.uint8)
    tops = (draws.tops[rows] * (height - size[0] + 1)).astype(int)
    lefts = (draws.lefts[rows] * (width - size[1] + 1)).astype(int)
    mirrored = draws.mirrors[rows] < 0.5  # noqa: PLR2004 (half of them)
    for index in range(count):
        cut = pixels[index, tops[index] : tops[index] + size[0], lefts[index] : lefts[index] + size[1]]
        out[index] = cut[:, ::-1] if flip and mirrored[index] else cut
    return out


def trivial(pixels: Pixels, draws: Draws, rows: Indices) -> Pixels:
    """TrivialAugment (Mueller and Hutter, 2021), wide: one operation a picture, its strength drawn evenly."""
    out = np.empty_like(pixels)
    for index, row in enumerate(rows):
        operation = OPERATIONS[int(draws.operations[row] * len(OPERATIONS))]
        out[index] = np.asarray(operation(Image.fromarray(pixels[index]), float(draws.strengths[row])))
    return out


def mixed(images: Tensor, others: Tensor, draws: Draws) -> Tensor:
    """Each picture with its partner: laid over each other (MixUp), or a box of the one in the other (CutMix)."""
    if draws.box is None:
        return images.lerp(others, 1 - draws.share)
    height, width = images.shape[-2:]
    top, left, bottom, right = draws.box
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(left * width), round(right * width))
    images = images.clone()
    images[..., rows, columns] = others[..., rows, columns]
    return images


def _shear(image: Image.Image, x: float, y: float) -> Image.Image:
    matrix = (1, x, -x * image.height / 2, y, 1, -y * image.width / 2)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _move(image: Image.Image, x: float, y: float) -> Image.Image:
    matrix = (1, 0, x * image.width, 0, 1, y * image.height)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


MOST_SHEAR, MOST_MOVE, MOST_DEGREES, MOST_ENHANCED = 0.99, 32 / 224, 135, 0.99
FEWEST_BITS = 2


def _enhanced(kind: Any) -> Callable[[Image.Image, float], Image.Image]:  # noqa: ANN401 (Pillow names no common type)
    return lambda image, strength: kind(image).enhance(1 + MOST_ENHANCED * strength)


OPERATIONS: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    lambda image, _strength: image,
    lambda image, strength: _shear(image, MOST_SHEAR * strength, 0),
    lambda image, strength: _shear(image, 0, MOST_SHEAR * strength),
    lambda image, strength: _move(image, MOST_MOVE * strength, 0),
    lambda image, strength: _move(image, 0, MOST_MOVE * strength),
    lambda image, strength: image.rotate(MOST_DEGREES * strength, Image.Resampling.NEAREST),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Sharpness),
    lambda image, strength: ImageOps.posterize(image, 8 - round((8 - FEWEST_BITS) * abs(strength))),
    lambda image, strength: ImageOps.solarize(image, round(255 * (1 - abs(strength)))),
    lambda image, _strength: ImageOps.autocontrast(image),
    lambda image, _strength: ImageOps.equalize(image),
)
