"""The JPEGs that every server is asked about: made from a seed, with a photograph's spectrum and size."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALL, LARGE = (500, 375), (4000, 3000)
QUALITY = 90
# amplitudes of photographs fall with frequency about like this; those of many pixels are softer than small ones
FALL_OFF, SOFT_FALL_OFF = 1.1, 1.3
SENSOR_NOISE = 2.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """What is sent, and the label that every server has to answer with."""

    jpeg: bytes
    label: str


def small_scene(seed: int) -> Pixels:
    return _scene(np.random.default_rng(seed), SMALL, FALL_OFF)


def large_scene(seed: int) -> Pixels:
    """Twelve megapixels: a softer scene twice enlarged, and the noise of a sensor over it."""
    noise = np.random.default_rng(seed)
    width, height = LARGE
    soft = Image.fromarray(_scene(noise, (width // 2, height // 2), SOFT_FALL_OFF))
    pixels = np.asarray(soft.resize(LARGE, Image.Resampling.BICUBIC), dtype=np.float32)
    grain = noise.standard_normal((height, width, 1), dtype=np.float32) * SENSOR_NOISE
    return np.asarray((pixels + grain).clip(0, 255), dtype=np.uint8)


def jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _scene(noise: np.random.Generator, size: tuple[int, int], fall_off: float) -> Pixels:
    """Noise whose spectrum falls off as a photograph's does, so that decoding it costs what decoding costs."""
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf

    def layer() -> NDArray[np.float64]:
        spectrum = np.fft.rfft2(noise.standard_normal((height, width))) / frequency**fall_off
        found = np.fft.irfft2(spectrum, s=(height, width))
        return np.asarray(found / found.std())

    grey, colour = layer(), noise.uniform(0.1, 0.6)
    layers = np.stack([grey + colour * layer() for _ in range(3)], axis=-1)
    contrast, light = noise.uniform(25, 60), noise.uniform(60, 200, 3)
    return np.asarray((layers * contrast + light).clip(0, 255), dtype=np.uint8)
