"""From a request's bytes to the network's input, by the recipe that the artefact's model.json carries.

The recipe's meaning is docs/artefact.md; the training code applies it with code of its own, and a test holds the two
equal. Nothing is decoded before its header has passed the limits.
"""

import contextlib
import io
import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from serving.errors import RequestError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
ORIENTATION_TAG = 0x0112
HIGH_BYTE = 8
START_OF_SCAN = int.from_bytes(b"\xff\xda", "little")
# A progressive JPEG has about ten, and a thumbnail some more.
MAX_SCANS = 100
STRIP_ROWS = 256
# what to do to the stored picture so that the tagged one appears
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """The recipe, as read from a validated model.json."""

    height: int
    width: int
    resize: int
    jpeg_draft: int
    exif: str
    background: tuple[int, int, int]
    interpolation: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Limits:
    """What pictures may take of memory."""

    max_pixels: int = 25_000_000
    """Of one picture, by its header."""
    large_pixels: int = 4_000_000
    """Pictures that decode to more do so one at a time: several at once could take more memory than there is."""
    alone: threading.Lock = field(default_factory=threading.Lock)


def decode(content: bytes | NDArray[np.uint8], recipe: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """Read one picture into height x width x 3 bytes; a picture that cannot be read is the sender's fault."""
    try:
        with opened(content) as image:
            check_size(image, limits.max_pixels)
            check_scans(image, content)
            draft(image, recipe)
            with limits.alone if image.width * image.height > limits.large_pixels else contextlib.nullcontext():
                pixels = np.asarray(prepare(image, recipe))
                # Its memory goes before the next one may take as much.
                image.close()
                return pixels
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        allowed = ", ".join(FORMATS)
        raise RequestError(415, "image_format_unknown", f"The body is no image in a format of {allowed}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RequestError(413, "image_too_large", too_many_pixels(limits.max_pixels)) from error
    except MemoryError as error:
        raise RequestError(503, "out_of_memory", "There is no memory to decode this image; try again.") from error
    except Exception as error:  # Pillow raises whatever the damage leads to, KeyError and struct.error among it
        reason = f"The image is damaged: {type(error).__name__}."
        raise RequestError(422, "image_unreadable", reason) from error


def opened(content: bytes | NDArray[np.uint8]) -> Image.Image:
    """The picture of a file, its header read and no more; or of an array."""
    if isinstance(content, bytes):
        return Image.open(io.BytesIO(content), formats=FORMATS)
    return Image.fromarray(content)


def check_size(image: Image.Image, max_pixels: int) -> None:
    """Refuse by the header alone, before any memory is taken for the pixels."""
    width, height = image.size
    if width * height > max_pixels:
        raise RequestError(
            413, "image_too_large", f"The image has {width} x {height} pixels; {too_many_pixels(max_pixels)}"
        )


def check_scans(image: Image.Image, content: bytes | NDArray[np.uint8]) -> None:
    """Refuse a JPEG that passes over its pixels again and again: a few bytes a pass keep a core busy for minutes."""
    if image.format == "JPEG" and isinstance(content, bytes):
        scans = scans_in(content)
        if scans > MAX_SCANS:
            raise RequestError(
                413,
                "image_too_complex",
                f"The image has {scans} scans; at most {MAX_SCANS} are allowed, save it again.",
            )


def scans_in(content: bytes) -> int:
    """How often a scan starts, by pairs of bytes from the first on and from the second: a tenth of the time that
    `bytes.count` takes, which is 2.4 ms for 12 megapixels."""
    halves = (np.frombuffer(content, "<u2", (len(content) - start) // 2, start) for start in (0, 1))
    return sum(int(np.count_nonzero(half == START_OF_SCAN)) for half in halves)


def too_many_pixels(max_pixels: int) -> str:
    return f"at most {max_pixels} pixels are allowed, send a smaller one."


def draft(image: Image.Image, recipe: Preprocessing) -> None:
    """Let a JPEG be decoded at a fraction of its size."""
    if image.format == "JPEG" and recipe.jpeg_draft:
        image.draft(None, (recipe.resize * recipe.jpeg_draft,) * 2)


def prepare(image: Image.Image, recipe: Preprocessing) -> Image.Image:
    """Decode, turn upright, flatten to RGB, cut the centre and scale it."""
    image.load()
    turn = TURNS.get(orientation(image)) if recipe.exif == "upright" else None
    image = flatten(image, recipe.background)
    if turn is not None:
        image = image.transpose(turn)
    size = (recipe.width, recipe.height)
    return image.resize(size, RESAMPLING[recipe.interpolation], box=centre(image.width, image.height, recipe))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation; a damaged tag is no reason to refuse a picture."""
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # again whatever the damage leads to
        return 1


def flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Any mode as RGB: 16-bit greys by their high byte, transparency over the background."""
    if image.mode[0] == "I":
        grey = np.asarray(image).astype(np.int64) >> HIGH_BYTE
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8), "L").convert("RGB")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.has_transparency_data:
        return over(image, background)
    return image.convert("RGB")


def over(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """A picture with transparency over a background, strip by strip: as a whole it would be in memory five times."""
    flat = Image.new("RGB", image.size)
    for top in range(0, image.height, STRIP_ROWS):
        box = (0, top, image.width, min(top + STRIP_ROWS, image.height))
        strip = image.crop(box).convert("RGBA")
        ground = Image.new("RGBA", strip.size, (*background, 255))
        ground.alpha_composite(strip)
        flat.paste(ground.convert("RGB"), box)
    return flat


def centre(width: int, height: int, recipe: Preprocessing) -> tuple[float, float, float, float]:
    """The box that a resize of the shorter side to `resize` and a central crop would leave."""
    step = min(width, height) / recipe.resize
    margin_x, margin_y = (width - recipe.width * step) / 2, (height - recipe.height * step) / 2
    return margin_x, margin_y, width - margin_x, height - margin_y


def normalise(pixels: NDArray[np.uint8], recipe: Preprocessing) -> NDArray[np.float32]:
    """Height x width x 3 bytes as a batch of one, channels first, scaled and centred."""
    batch = np.empty((1, 3, *pixels.shape[:2]), dtype=np.float32)
    for channel, (mean, std) in enumerate(zip(recipe.mean, recipe.std, strict=True)):
        np.multiply(pixels[..., channel], np.float32(recipe.scale / std), out=batch[0, channel])
        batch[0, channel] -= np.float32(mean / std)
    return batch


def warm_up_codecs() -> None:
    """Read one tiny picture of each format, so that no request is the first to load a codec."""
    for name in FORMATS:
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, name)
        with opened(picture.getvalue()) as image:
            image.load()
