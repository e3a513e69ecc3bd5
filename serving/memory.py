"""Give large buffers back as soon as they are free.

glibc's allocator learns from a large buffer that is freed to keep room for the next one, a room for each thread: after
some large pictures the process would hold several times what one of them takes.
"""

import contextlib
import ctypes

# From glibc's malloc.h; a threshold that is set is no longer raised by what is freed.
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 4 * 1024 * 1024


def return_large_buffers() -> None:
    """Where the C library is another one, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
