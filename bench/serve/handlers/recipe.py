"""torchvision's usual preprocessing (resize 256, centre crop 224, normalise), with Pillow and numpy.

torchvision itself is left out: its wheels of this version ask for the CUDA build of PyTorch. WHIPPET_BENCH_DRAFT=1 lets
the JPEG decoder scale down by itself, which `serving/` does and a handler hardly ever.
"""

import io
import os

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESIZE, CROP = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DRAFT = os.environ.get("WHIPPET_BENCH_DRAFT") == "1"
_SCALE = np.float32(1) / (np.float32(255) * np.array(STD, np.float32))
_SHIFT = np.array(MEAN, np.float32) / np.array(STD, np.float32)


def to_input(jpeg: bytes) -> NDArray[np.float32]:
    """A batch of one."""
    image = Image.open(io.BytesIO(jpeg))
    if DRAFT:
        image.draft(None, (2 * RESIZE, 2 * RESIZE))
    upright = image.convert("RGB")
    short = min(upright.size)
    width, height = (round(side * RESIZE / short) for side in upright.size)
    left, top = (width - CROP) // 2, (height - CROP) // 2
    scaled = upright.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled.crop((left, top, left + CROP, top + CROP)), dtype=np.float32)
    return np.ascontiguousarray((pixels * _SCALE - _SHIFT).transpose(2, 0, 1)[None])
