"""Files that people have in their data sets: which are used, which are not, and what is said about them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import pictures
from training.pictures import ANIMATED, CMYK, DEEP, MISNAMED, TURNED, PictureError, format_by_content, read
from training.preprocess import Recipe

RECIPE = Recipe(height=32, width=32, resize=36)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photograph(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(photograph(), "JPEG", exif=exif)


def deep() -> bytes:
    return saved(Image.fromarray(np.full((40, 60), 30_000, dtype=np.uint16)), "PNG")


def animated() -> bytes:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "lime")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def giant() -> bytes:
    """The header of a PNG of 20,000 x 20,000 pixels, and nothing of it."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""))
    packed = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("name", "content", "traits"),
    [
        ("a.jpg", saved(photograph(), "JPEG"), ()),
        ("a.jpg", saved(photograph("CMYK"), "JPEG"), (CMYK,)),
        ("a.png", deep(), (DEEP,)),
        ("a.gif", animated(), (ANIMATED,)),
        ("a.JPEG", turned(), (TURNED,)),
        ("a.jpg", saved(photograph(), "PNG"), (MISNAMED,)),
        ("a.webp", saved(photograph("RGBA"), "WEBP"), ()),
    ],
    ids=["plain", "cmyk", "16-bit", "animated", "turned", "misnamed", "webp"],
)
def test_odd_picture_is_used_and_told(tmp_path: Path, name: str, content: bytes, traits: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(content)
    found = read(tmp_path / name, RECIPE)
    assert found.pixels.shape == (32, 32, 3)
    assert found.traits == traits


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty (0 bytes)"),
        (saved(photograph(), "JPEG")[:600], "is damaged ("),
        (saved(photograph(), "PNG")[:200], "is damaged ("),
        (b"\xff\xd8\xff", "is damaged (its header cannot be read)"),
        (saved(photograph(), "TIFF"), "is a TIFF, which the server does not take; convert it to JPEG or PNG"),
        (saved(photograph(), "BMP"), "is a BMP, which"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "is a HEIC, which"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page, which"),
        (b"just words", "is no JPEG, PNG, WEBP or GIF"),
        (saved(photograph(size=(1, 1)), "PNG"), "is tiny (1 x 1 pixels) for an input of 32"),
        (giant(), "is giant (20000 x 20000 pixels, 50 million at most)"),
    ],
    ids=["empty", "cut jpeg", "cut png", "header", "tiff", "bmp", "heic", "html", "text", "tiny", "giant"],
)
def test_unusable_picture_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PictureError) as told:
        read(tmp_path / "a.jpg", RECIPE)
    assert str(told.value).startswith(why)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_whatever_happened_to_a_file_it_is_used_or_says_why(tmp_path: Path, kind: str) -> None:
    """Cut short, and bytes changed, at places all over it; nothing but a PictureError ever comes out."""
    whole, rng = saved(photograph(), kind), np.random.default_rng(2)
    unusable = 0
    for number in range(60):
        content = bytearray(whole)
        if number % 2:
            del content[rng.integers(1, len(content)) :]
        else:
            for place in rng.integers(0, len(content), 8):
                content[place] = rng.integers(0, 256)
        (tmp_path / "a.jpg").write_bytes(content)
        try:
            assert read(tmp_path / "a.jpg", RECIPE).pixels.shape == (32, 32, 3)
        except PictureError as error:
            assert str(error)
            unusable += 1
    assert unusable >= 10


def test_missing_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be read"):
        read(tmp_path / "a.jpg", RECIPE)


def test_large_photograph_is_judged_by_what_is_decoded_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG is decoded at an eighth of its sides, so that a camera's largest ones pass where a PNG would not."""
    monkeypatch.setattr(pictures, "MOST_DECODED_PIXELS", 100_000)
    for name, kind in (("a.jpg", "JPEG"), ("a.png", "PNG")):
        (tmp_path / name).write_bytes(saved(photograph(size=(1600, 1200)), kind))
    assert read(tmp_path / "a.jpg", RECIPE).traits == ()
    with pytest.raises(PictureError, match="is giant"):
        read(tmp_path / "a.png", RECIPE)


def test_content_tells_the_format_whatever_the_name(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        (tmp_path / "picture").write_bytes(saved(photograph(), kind))
        assert format_by_content(tmp_path / "picture") == kind
    (tmp_path / "picture").write_bytes(b"words")
    assert format_by_content(tmp_path / "picture") is None
