"""One picture file: read and cut as the recipe says, or told apart as one that cannot be used, and why.

Two kinds of remarks: a fault makes a picture unusable (PictureError); a trait is handled, and told, since a person may
not have meant it (CMYK, 16 bits, several frames, stored turned, named for another format).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from training.preprocess import FORMATS, Pixels, Recipe, cut, draft, open_image, orientation_of, upright

SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}
# After a JPEG's own down-scaling, so that photographs of 100 megapixels pass; each thread may hold one such picture.
MOST_DECODED_PIXELS = 50_000_000
# A picture of fewer pixels across than the input's 16th part is an icon or a tracking pixel, not a small photograph.
MOST_ENLARGED = 16
# The limit above is judged from the header; Pillow's own would warn about photographs that draft mode reads well.
Image.MAX_IMAGE_PIXELS = None

# (offset, mark, name) of what people take for a picture and the server does not
_OTHERS = (
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"BM", "a BMP"),
    (4, b"ftypheic", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (4, b"ftypavif", "an AVIF"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG"),
    (0, b"<!DO", "a web page"),
    (0, b"<htm", "a web page"),
)
_MARKS = ((0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG\r\n", "PNG"), (8, b"WEBP", "WEBP"), (0, b"GIF8", "GIF"))
MARK_BYTES = 16
GRID = 64


class PictureError(Exception):
    """Why a picture cannot be used; the words continue a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Picture:
    """A picture as the network will see it."""

    pixels: Pixels
    traits: tuple[str, ...]
    """What was out of the ordinary, in words that `TRAITS` lists."""
    fingerprint: str
    """Of its pixels, whatever file they come from."""


CMYK, DEEP, ANIMATED, TURNED, MISNAMED = (
    "CMYK, converted to RGB",
    "16 bits a channel, reduced to 8",
    "animated, first frame used",
    "stored turned, set upright",
    "named for another format, read as what they are",
)
TRAITS = (CMYK, DEEP, ANIMATED, TURNED, MISNAMED)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(file: Path, recipe: Recipe) -> Picture:
    """Decode one file; everything that can be wrong with it is a PictureError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from error
    if not content:
        raise PictureError("is empty (0 bytes)")
    try:
        with open_image(content) as image:
            return _decoded(image, file, recipe)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(_what_else(content)) from error
    except Exception as error:  # Pillow raises whatever a damaged file leads to
        raise PictureError(f"is damaged ({str(error) or type(error).__name__})") from error


def _decoded(image: Image.Image, file: Path, recipe: Recipe) -> Picture:
    width, height = image.size
    if MOST_ENLARGED * min(width, height) < recipe.resize:
        raise PictureError(f"is tiny ({width} x {height} pixels) for an input of {recipe.width}")
    draft(image, recipe)
    if image.width * image.height > MOST_DECODED_PIXELS:
        raise PictureError(f"is giant ({width} x {height} pixels, {MOST_DECODED_PIXELS // 1_000_000} million at most)")
    traits = _traits(image, file)
    image.load()
    seen = upright(image, recipe)
    return Picture(cut(seen, recipe), traits, fingerprint_of(seen))


def fingerprint_of(image: Image.Image) -> str:
    """Equal for copies that were saved anew without loss: a grid of single pixels, which costs next to nothing."""
    grid = image.resize((GRID, GRID), Image.Resampling.NEAREST)
    return sha256_of(repr(image.size).encode() + grid.tobytes())[:32]


def _traits(image: Image.Image, file: Path) -> tuple[str, ...]:
    found = {
        CMYK: image.mode in {"CMYK", "YCCK"},
        DEEP: image.mode.startswith("I"),
        ANIMATED: getattr(image, "n_frames", 1) > 1,
        TURNED: orientation_of(image) != 1,
        MISNAMED: SUFFIXES.get(file.suffix.lower()) not in {image.format, "JPEG" if image.format == "MPO" else ""},
    }
    return tuple(trait for trait, is_there in found.items() if is_there)


def format_by_content(file: Path) -> str | None:
    """JPEG, PNG, WEBP or GIF, from the first bytes of a file of any name."""
    with file.open("rb") as opened:
        return _marked(opened.read(MARK_BYTES), _MARKS)


def _what_else(content: bytes) -> str:
    if _marked(content, _MARKS):
        return "is damaged (its header cannot be read)"
    other = _marked(content, _OTHERS)
    if other is None:
        return f"is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return f"is {other}, which the server does not take; convert it to JPEG or PNG"


def _marked(content: bytes, marks: tuple[tuple[int, bytes, str], ...]) -> str | None:
    start = content[:MARK_BYTES]
    return next((name for offset, mark, name in marks if start[offset:].startswith(mark)), None)
