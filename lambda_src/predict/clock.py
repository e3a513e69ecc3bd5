"""How long something took, for the log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def milliseconds(record: dict[str, Any], key: str) -> Iterator[None]:
    """Notes under `key` what the block took, however it ends."""
    started = time.perf_counter()
    try:
        yield
    finally:
        record[key] = round((time.perf_counter() - started) * 1000, 1)
