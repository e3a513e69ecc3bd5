"""How long something took, for the log and for the caller."""

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


def server_timing(record: dict[str, Any]) -> str:
    """The record's times, as a browser shows them and `ops predict` adds them up."""
    named = {"fetch": "fetch_ms", "endpoint": "invoke_ms", "function": "total_ms"}
    hops = {hop: record[key] for hop, key in named.items() if key in record}
    steps = {f"model-{step}": spent for step, spent in record.get("model_ms", {}).items()}
    return ", ".join(f"{hop};dur={spent:g}" for hop, spent in {**steps, **hops}.items())
