import struct
import time
import zlib

import pytest

from lambda_src.predict.images import check_image
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.samples import JPEG, image_file


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def gif_header(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)


def gif_frame(left: int, top: int, width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0)


def jpeg_frame(width: int, height: int) -> bytes:
    return b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + b"\x00" * 9


def webp(chunk: bytes, content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4) + b"WEBP" + chunk + struct.pack("<I", len(content)) + content


SCAN = b"\xff\xda\x00\x02"


def refusal_of(image: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        check_image(image)
    return refused.value


@pytest.mark.parametrize(
    ("image", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (image_file("JPEG", progressive=True), "image/jpeg"),
        (image_file("PNG"), "image/png"),
        (image_file("GIF"), "image/gif"),
        (image_file("WEBP"), "image/webp"),
        (image_file("WEBP", lossless=True), "image/webp"),
    ],
    ids=["jpeg", "progressive jpeg", "png", "gif", "webp", "lossless webp"],
)
def test_a_real_image_is_known_by_its_bytes(image: bytes, content_type: str) -> None:
    assert check_image(image) == content_type


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"lossless": True}, {"interlace": True}])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_the_header_is_read_as_pillow_wrote_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, bool]
) -> None:
    monkeypatch.setattr("lambda_src.predict.images.MAX_PIXELS", 0)
    assert "has 321 x 123 pixels" in refusal_of(image_file(kind, 321, 123, **options)).message


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"GIF88a", b"RIFF\x00\x00\x00\x00WAVE", b"<svg/>", b"BM", b"II*\x00"]
)
def test_anything_else_is_no_image(data: bytes) -> None:
    assert refusal_of(data).code == "image_format_unknown"


@pytest.mark.parametrize(
    "image",
    [
        png_header(60_000, 60_000),
        png_header(2**31, 2**31),
        b"\xff\xd8" + jpeg_frame(65_535, 65_535) + SCAN,
        b"\xff\xd8\xff\xe0\x00\x10" + b"\xff" * 14 + jpeg_frame(5001, 5000) + SCAN,
        b"\xff\xd8" + jpeg_frame(60_000, 60_000) + jpeg_frame(1, 1) + SCAN,
        b"\xff\xd8" + jpeg_frame(1, 1) + b"junk\x00" + jpeg_frame(60_000, 60_000) + SCAN,
        gif_header(65_535, 65_535) + gif_frame(0, 0, 1, 1),
        gif_header(1, 1) + gif_frame(0, 0, 65_535, 65_535),
        gif_header(1, 1) + gif_frame(65_535, 65_535, 1, 1),
        gif_header(1, 1) + b"!\xf9\x04\x00\x00\x00\x00\x00" + gif_frame(0, 0, 60_000, 60_000),
        webp(b"VP8X", b"\x00" * 4 + (59_999).to_bytes(3, "little") * 2),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 16_383 | 16_383 << 14)),
        webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383)),
    ],
    ids=[
        "png",
        "png beyond 32 bits",
        "jpeg",
        "jpeg behind a segment",
        "jpeg with a small second frame",
        "jpeg with a large second frame behind junk",
        "gif screen",
        "gif frame",
        "gif offset",
        "gif frame behind an extension",
        "webp extended",
        "webp lossless",
        "webp lossy",
    ],
)
def test_more_than_25_megapixels_are_refused_from_the_header(image: bytes) -> None:
    assert refusal_of(image).code == "image_too_large"


def test_exactly_25_megapixels_are_allowed() -> None:
    assert check_image(png_header(5000, 5000)) == "image/png"


@pytest.mark.parametrize(
    "image",
    [
        png_header(0, 10),
        png_header(10, 10)[:20],
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIDAT" + b"\x00" * 20,
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\xff\xff",
        b"\xff\xd8\xff\xda\x00\x02" + jpeg_frame(10, 10),
        b"\xff\xd8\xff\xd9" + jpeg_frame(10, 10),
        b"\xff\xd8\xff\xe0\x00\x02\x00\x00",
        b"\xff\xd8" + jpeg_frame(10, 0) + SCAN,
        b"\xff\xd8" + jpeg_frame(10, 10),
        gif_header(10, 10),
        gif_header(10, 10) + b";",
        gif_header(10, 10) + b"!\xfe\xff",
        webp(b"VP8X", b"\x00" * 5),
        webp(b"VP8L", b"\x00" * 5),
        webp(b"VP8 ", b"\x00" * 10),
        webp(b"JUNK", b"\x00" * 10),
    ],
)
def test_a_header_without_a_sound_size_is_refused(image: bytes) -> None:
    assert refusal_of(image).code == "image_unreadable"


@pytest.mark.parametrize(
    "image",
    [
        b"\xff\xd8" + b"\xff" * 4_500_000,
        b"\xff\xd8\xff" + b"\xd0\xff" * 2_000_000,
        gif_header(9, 9) + b"!\xfe" + b"\x01" * 4_500_000,
    ],
    ids=["jpeg fill bytes", "jpeg restart markers", "gif blocks"],
)
def test_a_header_of_millions_of_segments_costs_no_time(image: bytes) -> None:
    started = time.monotonic()
    assert refusal_of(image).code == "image_unreadable"
    assert time.monotonic() - started < 0.1
