"""Odd but legal pictures, each as the bytes that a client may send."""

import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from PIL import Image


class Bodies(Mapping[str, bytes]):
    """Each made when it is first asked for: whoever collects the tests needs the names alone."""

    def __init__(self, makers: dict[str, Callable[[], bytes]]) -> None:
        self._makers, self._made = makers, dict[str, bytes]()

    def __getitem__(self, name: str) -> bytes:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def scene(width: int = 150, height: int = 100, channels: int = 3) -> np.ndarray:
    """Gradients and edges with no symmetry, so that a turn, a mirror or a channel swap changes the pixels."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    layers = [255 * x, 255 * y * x, 255 * (x > 2 * y), 255 * (0.25 + 0.75 * y)]
    return np.stack(layers[:channels], axis=-1).astype(np.uint8)


def encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def jpeg(width: int = 150, height: int = 100, **options: object) -> bytes:
    return encode(Image.fromarray(scene(width, height)), "JPEG", **options)


def tagged_jpeg(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(exif=exif)


def gif_of_two_frames() -> bytes:
    first, second = Image.fromarray(scene()), Image.new("RGB", (150, 100), "blue")
    return encode(first, "GIF", save_all=True, append_images=[second])


def with_damaged_exif() -> bytes:
    return jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x99" * 40)


RGB = Image.fromarray(scene())
RGBA = Image.fromarray(scene(channels=4))
GREY16 = Image.fromarray((scene()[..., 1].astype(np.uint16) << 8) + 77)

ODD_PICTURES = Bodies(
    {
        **{f"exif_{orientation}": partial(tagged_jpeg, orientation) for orientation in range(1, 9)},
        "exif_out_of_range": lambda: tagged_jpeg(42),
        "exif_damaged": with_damaged_exif,
        "cmyk_jpeg": lambda: encode(RGB.convert("CMYK"), "JPEG"),
        "grey_jpeg": lambda: encode(RGB.convert("L"), "JPEG"),
        "progressive_jpeg": lambda: jpeg(progressive=True),
        "huge_jpeg": lambda: jpeg(4000, 3000),
        "wide_jpeg": lambda: jpeg(3000, 40),
        "palette_png": lambda: encode(RGB.quantize(64), "PNG"),
        "palette_png_transparent": lambda: encode(RGB.quantize(64), "PNG", transparency=3),
        "rgba_png": lambda: encode(RGBA, "PNG"),
        "rgb_png_transparent_colour": lambda: encode(RGB, "PNG", transparency=(0, 0, 255)),
        "grey_alpha_png": lambda: encode(RGBA.convert("LA"), "PNG"),
        "one_bit_png": lambda: encode(RGB.convert("1"), "PNG"),
        "grey16_png": lambda: encode(GREY16, "PNG"),
        "one_pixel_png": lambda: encode(Image.new("RGB", (1, 1), "red"), "PNG"),
        "one_row_png": lambda: encode(Image.fromarray(scene(5000, 1)), "PNG"),
        "one_column_png": lambda: encode(Image.fromarray(scene(1, 5000)), "PNG"),
        "webp_lossy": lambda: encode(RGB, "WEBP"),
        "webp_alpha": lambda: encode(RGBA, "WEBP", lossless=True),
        "gif_animated": gif_of_two_frames,
        "gif_transparent": lambda: encode(RGB.quantize(16), "GIF", transparency=2),
    }
)
