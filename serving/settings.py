"""The server's settings: the one place that reads the environment.

Each field is an environment variable: WHIPPET_SERVING_QUEUE_LENGTH=32 sets queue_length.
Of SageMaker's own, SAGEMAKER_BIND_TO_PORT is the port, and SAGEMAKER_BATCH with SAGEMAKER_MAX_PAYLOAD_IN_MB makes room
for the large bodies and long answers of a batch transform job.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serving.errors import StartError

PREFIX = "WHIPPET_SERVING_"
PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"
BATCH_VARIABLE, PAYLOAD_VARIABLE = "SAGEMAKER_BATCH", "SAGEMAKER_MAX_PAYLOAD_IN_MB"
MEGABYTE = 1024 * 1024
# A transform job's payload may have 100 MB, and it waits up to an hour for an answer.
MAX_PAYLOAD_MB, BATCH_SECONDS = 100, 3600.0
# the smallest and the largest value that makes sense; SageMaker gives up on an answer after 60 s and kills after 30
BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "cores": (0, 256),
    "decoders": (0, 256),
    "max_batch": (1, 64),
    "queue_length": (0, 10_000),
    "queue_seconds": (0.1, 59),
    "request_seconds": (0.1, 59),
    "body_seconds": (0.1, 59),
    "drain_seconds": (0, 29),
    "wedged_seconds": (0.1, 600),
    "max_body_bytes": (1, 110_000_000),
    "max_pending_bytes": (1, 10_000_000_000),
    "max_pixels": (1, 200_000_000),
    "max_images": (1, 100_000),
    "max_connections": (10, 100_000),
    "default_top_k": (1, 10_000),
}
BATCH_BOUNDS = {"queue_seconds": (0.1, BATCH_SECONDS), "request_seconds": (0.1, BATCH_SECONDS)}
CHOICES: dict[str, tuple[str, ...]] = {"precision": ("fp32", "int8"), "pinned": ("yes", "no")}


@dataclass(frozen=True)
class Settings:
    """What an operator may change, with defaults for one small instance."""

    port: int = 8080
    """TCP port; 0 takes any free one and logs it."""
    precision: str = "fp32"
    """Which of the artefact's networks answers: fp32, or int8 where it passed its accuracy gate."""
    cores: int = 0
    """Physical cores that the engine computes on; 0 is all that the process may use and its quota pays for."""
    pinned: str = "yes"
    """Whether each of the engine's threads keeps to a core of its own: yes, or no."""
    decoders: int = 0
    """Pictures decoded at the same time; 0 is one a core, and two at least."""
    max_batch: int = 8
    """Images that one inference may take together, of those that wait already, where the network gains by it."""
    queue_length: int = 32
    """Requests that may wait beside one a core; the next one is answered 429, its body unread."""
    queue_seconds: float = 10.0
    """A request that has waited this long for its turn is answered 429 instead of computed."""
    request_seconds: float = 30.0
    """A request that is not answered by then is answered 503; an endpoint gives up after 60."""
    body_seconds: float = 20.0
    """A body that has not arrived by then is answered 400."""
    drain_seconds: float = 25.0
    """After SIGTERM, how long requests in progress may take."""
    wedged_seconds: float = 20.0
    """One inference that takes longer turns /ping red; at half as much again the process ends."""
    max_body_bytes: int = 6 * MEGABYTE
    """Larger bodies are answered 413; a real-time endpoint accepts up to 25 MB."""
    max_pending_bytes: int = 64 * MEGABYTE
    """Bodies in memory together; the request that would exceed it is answered 429, its body unread."""
    max_pixels: int = 25_000_000
    """Pictures with more are answered 413, before they are decoded."""
    max_images: int = 64
    """Images of one request; more are answered 413."""
    max_connections: int = 4096
    """Open connections; for one more, the one that has been idle longest is closed."""
    default_top_k: int = 5
    """How many labels an answer names unless the request says otherwise."""
    batch: bool = False
    """Whether this is a batch transform job's container; SageMaker says so."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check every variable; all faults are told at once."""
    values: dict[str, Any] = {}
    faults = []
    names = {name: f"{PREFIX}{name.upper()}" for name in (*BOUNDS, *CHOICES)}
    for variable in sorted(set(environment) - set(names.values())):
        if variable.startswith(PREFIX):
            faults.append(f"{variable}: no such setting; there are {', '.join(sorted(names.values()))}")
    try:
        values |= batch_settings(environment)
    except StartError as error:
        faults.append(str(error))
    for field in fields(Settings):
        variable = names.get(field.name, "")
        if field.name == "port" and PORT_VARIABLE in environment:
            variable = PORT_VARIABLE
        if variable in environment:
            try:
                values[field.name] = setting(variable, environment[variable], field.name, "batch" in values)
            except StartError as error:
                faults.append(str(error))
    if faults:
        raise StartError("; ".join(faults))
    return Settings(**values)


def batch_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Other defaults where SageMaker runs a batch transform job: few large requests that nobody waits for."""
    if environment.get(BATCH_VARIABLE, "").lower() != "true":
        return {}
    text = environment.get(PAYLOAD_VARIABLE, "6")
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PAYLOAD_MB):
        raise StartError(f"{PAYLOAD_VARIABLE}={text}: it must be a whole number from 0 to {MAX_PAYLOAD_MB}")
    # 0 is no limit, for bodies that come in chunks.
    payload = (int(text) or MAX_PAYLOAD_MB) * MEGABYTE
    return {
        "batch": True,
        "max_body_bytes": payload,
        "max_pending_bytes": max(4 * payload, Settings.max_pending_bytes),
        "max_images": 100_000,
        "queue_seconds": BATCH_SECONDS,
        "request_seconds": BATCH_SECONDS,
        "body_seconds": 59.0,
    }


def setting(source: str, text: str, name: str, batch: bool) -> float | str:
    """One value: of a fixed choice, or a number within its bounds."""
    if name in BOUNDS:
        return number(source, text, name, batch=batch)
    if text not in CHOICES[name]:
        raise StartError(f"{source}={text}: it must be {' or '.join(CHOICES[name])}")
    return text


def number(source: str, text: str, name: str, *, batch: bool = False) -> float:
    """One value within its bounds: a whole number unless it is a time."""
    kind: type[float] = float if name.endswith("_seconds") else int
    low, high = BATCH_BOUNDS.get(name, BOUNDS[name]) if batch else BOUNDS[name]
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        what = "a number" if kind is float else "a whole number"
        raise StartError(f"{source}={text}: it must be {what} from {low:g} to {high:.15g}")
    return value
