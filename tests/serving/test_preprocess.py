"""What decoding promises beyond being equal to training's."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from serving import preprocess
from serving.errors import RequestError
from serving.preprocess import FORMATS, Limits, Preprocessing, decode
from tests.serving.pictures import GREY16, ODD_PICTURES, encode, jpeg

RECIPE = Preprocessing(64, 64, 72, 2, "upright", (255, 255, 255), "bilinear", 1 / 255, (0, 0, 0), (1, 1, 1))
LIMITS = Limits()


def refusal(body: bytes, limits: Limits = LIMITS) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode(body, RECIPE, limits)
    return caught.value


def test_transparent_pixels_show_the_background() -> None:
    clear = encode(Image.new("RGBA", (80, 80), (200, 0, 0, 0)), "PNG")
    assert (decode(clear, RECIPE, LIMITS) == 255).all()


def test_sixteen_bit_greys_are_scaled_rather_than_clipped() -> None:
    eight_bits = Image.fromarray((np.asarray(GREY16) >> 8).astype(np.uint8))
    expected = decode(encode(eight_bits, "PNG"), RECIPE, LIMITS)
    np.testing.assert_array_equal(decode(encode(GREY16, "PNG"), RECIPE, LIMITS), expected)


def test_draft_changes_a_photo_by_less_than_one_level_on_average() -> None:
    whole = Preprocessing(64, 64, 72, 0, "upright", (255, 255, 255), "bilinear", 1 / 255, (0, 0, 0), (1, 1, 1))
    photo = ODD_PICTURES["huge_jpeg"]
    difference = decode(photo, RECIPE, LIMITS).astype(int) - decode(photo, whole, LIMITS)
    assert np.abs(difference).mean() < 1


def test_first_frame_of_an_animation_counts() -> None:
    still = Image.open(io.BytesIO(ODD_PICTURES["gif_animated"])).convert("RGB")
    expected = decode(encode(still, "PNG"), RECIPE, LIMITS)
    np.testing.assert_array_equal(decode(ODD_PICTURES["gif_animated"], RECIPE, LIMITS), expected)


def test_pixel_limit_is_read_from_the_header() -> None:
    error = refusal(jpeg(150, 100), Limits(14_999))
    assert (error.status, error.code) == (413, "image_too_large")
    assert "150 x 100" in error.message and "14999" in error.message


def test_picture_at_the_pixel_limit_is_taken() -> None:
    assert decode(jpeg(150, 100), RECIPE, Limits(15_000)).shape == (64, 64, 3)


DAMAGE = (
    *(OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, EOFError, AttributeError, AssertionError),
    *(OverflowError, ZeroDivisionError, RuntimeError, RecursionError, NotImplementedError, struct.error, zlib.error),
)
ANSWERS: dict[type[Exception], int] = dict.fromkeys(DAMAGE, 422) | {
    Image.DecompressionBombError: 413,
    Image.DecompressionBombWarning: 413,
    MemoryError: 503,
}


@pytest.mark.parametrize("step", ["opened", "draft", "prepare"])
@pytest.mark.parametrize("raised", ANSWERS, ids=lambda kind: kind.__name__)
def test_whatever_pillow_raises_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, raised: type[Exception], step: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise raised("it")

    monkeypatch.setattr(preprocess, step, fail)
    assert refusal(jpeg()).status == ANSWERS[raised]


@pytest.mark.parametrize("format_name", ["BMP", "TIFF", "PPM", "ICO", "TGA", "EPS"])
def test_other_formats_are_refused(format_name: str) -> None:
    error = refusal(encode(Image.new("RGB", (32, 32)), format_name))
    assert error.status == 415
    assert all(name in error.message for name in FORMATS)


@pytest.mark.parametrize("content", [b"\xff\xda", b"\xda\xff\xda", b"\xff\xff\xda\xff\xda\xda", b"\xda\xff", b"\xff"])
def test_scans_are_counted_wherever_they_start(content: bytes) -> None:
    assert preprocess.scans_in(content) == content.count(b"\xff\xda")
