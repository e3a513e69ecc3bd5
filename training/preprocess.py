"""How a picture becomes the network's input.

The recipe is data: it travels in the artefact's model.json (docs/artefact.md), and the server applies the same
recipe with code of its own.
"""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
EXIF_ORIENTATION = 0x0112
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Recipe:
    """Every choice between a file's bytes and the network, with the names that docs/artefact.md explains."""

    height: int
    width: int
    resize: int
    jpeg_draft: int = 2
    exif: str = "upright"
    colour: str = "RGB"
    background: tuple[int, int, int] = (255, 255, 255)
    crop: str = "centre"
    interpolation: str = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Recipe":
        """The choices as JSON gives them back, which knows no tuples; what is not known here is passed over."""
        known = {field.name for field in fields(cls)} & told.keys()
        values: dict[str, Any] = {key: tuple(told[key]) if isinstance(told[key], list) else told[key] for key in known}
        return cls(**values)

    def preprocessing(self) -> dict[str, Any]:
        """The `preprocessing` object of model.json; height and width belong to its `input` object."""
        fields = asdict(self)
        del fields["height"], fields["width"]
        return fields

    def with_margin(self) -> "Recipe":
        """The same picture with the margin that the crop cuts away, for training crops to move in."""
        return replace(self, height=self.resize, width=self.resize)


def load(path: Path, recipe: Recipe) -> Pixels:
    """Read one image file into height x width x 3 bytes; the first frame, if it has several."""
    with open_image(path.read_bytes()) as image:
        draft(image, recipe)
        image.load()
        return cut(upright(image, recipe), recipe)


def open_image(content: bytes) -> Image.Image:
    """A file's header; nothing is decoded yet."""
    return Image.open(io.BytesIO(content), formats=FORMATS)


def draft(image: Image.Image, recipe: Recipe) -> None:
    """Have a JPEG decoded at a fraction of its size, as the recipe allows."""
    if image.format == "JPEG" and recipe.jpeg_draft:
        target = recipe.resize * recipe.jpeg_draft
        image.draft(None, (target, target))  # None keeps the file's own mode


def upright(image: Image.Image, recipe: Recipe) -> Image.Image:
    """A decoded picture in RGB, as a person sees it."""
    orientation = orientation_of(image) if recipe.exif == "upright" else 1
    image = _to_rgb(image, recipe.background)
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def cut(image: Image.Image, recipe: Recipe) -> Pixels:
    """The part of an upright picture that the network is given, resized."""
    resized = image.resize(
        (recipe.width, recipe.height), INTERPOLATIONS[recipe.interpolation], box=_centre_box(image.size, recipe)
    )
    return np.asarray(resized)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # Pillow raises whatever the damage leads to; without a readable tag the picture is as stored
        return 1


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode.startswith("I"):
        # convert() would clip 16-bit greys to white instead of scaling them
        high_bytes = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(high_bytes).convert("RGB")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, (*background, 255))
        return Image.alpha_composite(canvas, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _centre_box(size: tuple[int, int], recipe: Recipe) -> tuple[float, float, float, float]:
    """The central part that, with the shorter side resized to `resize`, is the crop: cut and resized in one step."""
    width, height = size
    pixels_per_pixel = min(width, height) / recipe.resize
    box_width, box_height = recipe.width * pixels_per_pixel, recipe.height * pixels_per_pixel
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height


def normalise(pixels: Pixels, recipe: Recipe) -> NDArray[np.float32]:
    """Turn N x height x width x 3 bytes into the network's N x 3 x height x width floats."""
    mean, std = np.array(recipe.mean, dtype=np.float32), np.array(recipe.std, dtype=np.float32)
    scaled = pixels.astype(np.float32) * np.float32(recipe.scale)
    return np.ascontiguousarray(((scaled - mean) / std).transpose(0, 3, 1, 2))
