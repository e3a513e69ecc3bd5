"""The server's settings: the one place that reads the environment.

Each field is an environment variable: WHIPPET_SERVING_QUEUE_LENGTH=32 sets queue_length.
SAGEMAKER_BIND_TO_PORT, where SageMaker sets it, is the port.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serving.errors import StartError

PREFIX = "WHIPPET_SERVING_"
PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"
# the smallest and the largest value that makes sense; SageMaker gives up on an answer after 60 s and kills after 30
BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "workers": (1, 64),
    "engine_threads": (1, 256),
    "queue_length": (0, 10_000),
    "request_seconds": (0.1, 59),
    "body_seconds": (0.1, 59),
    "drain_seconds": (0, 29),
    "max_body_bytes": (1, 100_000_000),
    "max_pixels": (1, 200_000_000),
    "default_top_k": (1, 10_000),
}


@dataclass(frozen=True)
class Settings:
    """What an operator may change, with defaults for one small instance."""

    port: int = 8080
    """TCP port; 0 takes any free one and logs it."""
    workers: int = 2
    """Requests decoded and inferred at the same time: one decodes while the other has the engine."""
    engine_threads: int = 1
    """Threads of one inference; by default as many as the process may use."""
    queue_length: int = 32
    """Requests that may wait for a worker; the next one is answered 429."""
    request_seconds: float = 30.0
    """A request that is not answered by then is answered 503."""
    body_seconds: float = 20.0
    """A body that has not arrived by then is answered 400."""
    drain_seconds: float = 25.0
    """After SIGTERM, how long requests in progress may take."""
    max_body_bytes: int = 6 * 1024 * 1024
    """Larger bodies are answered 413; a real-time endpoint accepts up to 25 MB."""
    max_pixels: int = 25_000_000
    """Pictures with more are answered 413, before they are decoded."""
    default_top_k: int = 5
    """How many labels an answer names unless the request says otherwise."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check every variable; all faults are told at once."""
    values: dict[str, Any] = {"engine_threads": usable_cores()}
    faults = []
    names = {field.name: f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    for variable in sorted(set(environment) - set(names.values())):
        if variable.startswith(PREFIX):
            faults.append(f"{variable}: no such setting; there are {', '.join(sorted(names.values()))}")
    for field in fields(Settings):
        variable = names[field.name]
        if field.name == "port" and PORT_VARIABLE in environment:
            variable = PORT_VARIABLE
        if variable in environment:
            try:
                values[field.name] = number(variable, environment[variable], field.name)
            except StartError as error:
                faults.append(str(error))
    if faults:
        raise StartError("; ".join(faults))
    return Settings(**values)


def number(source: str, text: str, name: str) -> float:
    """One value within its bounds: a whole number unless it is a time."""
    kind: type[float] = float if name.endswith("_seconds") else int
    low, high = BOUNDS[name]
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        what = "a number" if kind is float else "a whole number"
        raise StartError(f"{source}={text}: it must be {what} from {low:g} to {high:.15g}")
    return value


def usable_cores() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0))
