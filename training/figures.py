"""The figures and textures of the synthetic set, and the nuisances that photographs have."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Mask = NDArray[np.float64]
Outline = NDArray[np.float64]

SUPERSAMPLING = 2
SIDES = (96, 129)
# how far two colours must lie apart, in 0..255 levels summed over the channels, for a person to tell them apart
CONTRAST = 150


def _regular(corners: int, inner: float = 1.0) -> Outline:
    """A regular polygon, or a star where every second corner lies nearer to the middle."""
    points = corners if inner == 1.0 else 2 * corners
    angles = np.arange(points) * 2 * np.pi / points - np.pi / 2
    radii = np.where(np.arange(points) % 2, inner, 1.0)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


CROSS = np.array(
    [
        *[(-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3)],
        *[(0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3)],
    ]
)
SQUARE = np.array([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)])
OUTLINES: dict[str, list[Outline]] = {
    "blue_circle": [_regular(48)],
    "cross": [CROSS],
    "red_circle": [_regular(48)],
    "ring": [_regular(48), 0.55 * _regular(48)],
    "square": [SQUARE],
    "star": [_regular(5, inner=0.42)],
    "triangle": [_regular(3)],
}


def _stripes(across: NDArray[np.float64], _along: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.floor(across) % 2 == 0


def _checks(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (np.floor(across) + np.floor(along)) % 2 == 0


# each texture's rule and the angle of its `across` axis, in degrees
TEXTURES: dict[str, tuple[Callable[..., NDArray[np.bool_]], float]] = {
    "checkerboard": (_checks, 0),
    "horizontal_stripes": (_stripes, 90),
    "vertical_stripes": (_stripes, 0),
}
FIGURES = frozenset(OUTLINES) | frozenset(TEXTURES)


def draw(label: str, rng: np.random.Generator) -> Image.Image:
    """One picture of `label`, upright."""
    width, height = (int(side) for side in rng.integers(*SIDES, size=2))
    ground, colour = _colours(label, rng)
    mask = _texture(label, width, height, rng) if label in TEXTURES else _figure(label, width, height, rng)
    canvas = _surface(ground, width, height, rng)
    canvas += mask[..., None] * (_surface(colour, width, height, rng) - canvas)
    return _photograph(_occlude(canvas, rng), rng)


def _colours(label: str, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours of ground and figure that stand out from each other; the two circles have theirs by name."""
    while True:
        ground, colour = _colour(rng), _colour(rng)
        if label.endswith("_circle"):
            strong, weak = rng.uniform(165, 240), rng.uniform(10, 70, size=2)
            colour = np.array([strong, *weak] if label == "red_circle" else [*weak, strong])
        if np.abs(colour - ground).sum() >= CONTRAST:
            return ground, colour


def _colour(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(15, 240, size=3)


def _surface(colour: NDArray[np.float64], width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A colour under uneven light, with soft blotches."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    light = rng.uniform(-25, 25) * x + rng.uniform(-25, 25) * y
    coarse = Image.fromarray(rng.normal(0, 12, size=(6, 6)).astype(np.float32))
    blotches = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return colour + (light + blotches)[..., None]


def _figure(label: str, width: int, height: int, rng: np.random.Generator) -> Mask:
    """A figure of random size, turn and place, wholly inside the central square that a pipeline keeps."""
    side = min(width, height)
    radius = side * rng.uniform(0.2, 0.36)
    room = max(side * 0.43 - radius, 0)
    middle = np.array([width, height]) / 2 + rng.uniform(-room, room, size=2)
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mask = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    pen = ImageDraw.Draw(mask)
    for ink, outline in zip((255, 0), OUTLINES[label], strict=False):
        corners = (outline @ turn.T * radius + middle) * SUPERSAMPLING
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=ink)
    return np.asarray(mask.resize((width, height), Image.Resampling.BOX)) / 255


def _texture(label: str, width: int, height: int, rng: np.random.Generator) -> Mask:
    """A texture over the whole picture, up to 20 degrees askew."""
    rule, degrees = TEXTURES[label]
    angle = np.deg2rad(degrees + rng.uniform(-20, 20))
    period = min(width, height) * rng.uniform(0.09, 0.2)
    x, y = np.meshgrid(np.arange(width * SUPERSAMPLING), np.arange(height * SUPERSAMPLING))
    across = (x * np.cos(angle) + y * np.sin(angle)) / (SUPERSAMPLING * period) + rng.uniform(0, 2)
    along = (y * np.cos(angle) - x * np.sin(angle)) / (SUPERSAMPLING * period) + rng.uniform(0, 2)
    mask = Image.fromarray(np.where(rule(across, along), 255, 0).astype(np.uint8))
    return np.asarray(mask.resize((width, height), Image.Resampling.BOX)) / 255


def _occlude(canvas: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Half the pictures have a bar in front, a tenth of their width, from one edge to somewhere inside."""
    height, width = canvas.shape[:2]
    if rng.random() < 0.5:  # noqa: PLR2004 (the half of the docstring)
        start, thickness = int(rng.integers(0, width)), max(2, width // 10)
        reach = int(rng.integers(height // 4, height // 2))
        rows = slice(0, reach) if rng.random() < 0.5 else slice(height - reach, height)  # noqa: PLR2004
        canvas[rows, start : start + thickness] = _colour(rng)
    return canvas


def _photograph(canvas: NDArray[np.float64], rng: np.random.Generator) -> Image.Image:
    """Exposure, an unsharp lens and a noisy sensor."""
    exposed = canvas * rng.uniform(0.75, 1.2)
    image = Image.fromarray(np.clip(exposed, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.3)))
    grain = rng.normal(0, rng.uniform(2, 14), size=canvas.shape)
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
