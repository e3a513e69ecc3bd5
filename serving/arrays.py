"""Arrays from outside in numpy's own format: headers are read as data, nothing is unpickled, no size is believed."""

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from serving.errors import RequestError

Array = NDArray[Any]
SHAPES = (
    "an array must hold pixels as uint8, height x width x 3, or the network's own input as float32, "
    "3 x height x width; several with one more axis in front"
)
ONE_IMAGE, SEVERAL_IMAGES = 3, 4
CHANNELS = 3


def read_array(body: bytes) -> Array:
    """An array that holds pictures, one or several."""
    array = parse(body)
    images = array.ndim in {ONE_IMAGE, SEVERAL_IMAGES}
    pixels = images and array.dtype == np.uint8 and array.shape[-1] == CHANNELS
    floats = images and array.dtype == np.float32 and array.shape[-3] == CHANNELS
    if not pixels and not floats:
        raise RequestError(415, "array_unsupported", f"The array is {array.dtype} {array.shape}; {SHAPES}.")
    if not array.size:
        raise RequestError(400, "body_empty", f"The array is empty; {SHAPES}.")
    if floats and not np.isfinite(array).all():
        raise RequestError(422, "array_not_finite", "The array holds numbers that are not finite.")
    return array


def parse(body: bytes) -> Array:
    """The array of an .npy file, a view of the body; its header must account for every byte."""
    file = io.BytesIO(body)
    try:
        version = npy.read_magic(file)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, fortran_order, dtype = readers[version](file)
        plain = not dtype.hasobject and dtype.names is None
        if not plain or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body) - file.tell():
            raise ValueError("its header describes other bytes than follow")
    except Exception as error:  # numpy raises whatever the damage leads to, SyntaxError and TokenError among it
        raise RequestError(422, "array_unreadable", f"The body is no whole .npy file; {SHAPES}.") from error
    return np.frombuffer(body, dtype, offset=file.tell()).reshape(shape, order="F" if fortran_order else "C")
