"""What a transform job's container would like where the request leaves it open: the answer of /execution-parameters."""

import http.client
import json
from typing import Any

from local.records import Document
from local.sagemaker.instance import Instance
from local.sagemaker.jobs import JobFailed

ROUTE = "/execution-parameters"
ANSWER_SECONDS = 5.0
# As a request words it, and a container.
STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}
_REQUESTED = {name: key for key, name in STRATEGIES.items()}
HIGHEST_CONCURRENCY, HIGHEST_PAYLOAD_MB = 10_000, 100


def wishes(instance: Instance) -> Document:
    """Most containers have no such route: those have none."""
    try:
        answer = instance.request("GET", ROUTE, {}, b"", ANSWER_SECONDS)
    except (OSError, http.client.HTTPException):
        return {}
    return understood(answer.body) if 200 <= answer.status < 300 else {}  # noqa: PLR2004 - HTTP


def understood(body: bytes) -> Document:
    """In the request's words. A container that answers any path with something else wishes nothing; one that wishes
    what cannot be fails its job."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    found: Document = {}
    # 0 leaves it open again.
    if concurrency := _number(said, "MaxConcurrentTransforms", HIGHEST_CONCURRENCY):
        found["MaxConcurrentTransforms"] = concurrency
    if (payload := _number(said, "MaxPayloadInMB", HIGHEST_PAYLOAD_MB)) is not None:
        found["MaxPayloadInMB"] = payload
    strategy = said.get("BatchStrategy")
    if strategy is not None:
        if not isinstance(strategy, str) or strategy not in {**_REQUESTED, **STRATEGIES}:
            raise _wrong("BatchStrategy", strategy, " or ".join(_REQUESTED))
        found["BatchStrategy"] = _REQUESTED.get(strategy, strategy)
    return found


def _number(said: dict[str, Any], name: str, highest: int) -> int | None:
    value = said.get(name)
    if value is not None and (type(value) is not int or not 0 <= value <= highest):
        raise _wrong(name, value, f"a whole number from 0 to {highest}")
    return value


def _wrong(name: str, value: object, allowed: str) -> JobFailed:
    shown = json.dumps(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."  # noqa: PLR2004 - of a sentence
    return JobFailed(f"AlgorithmError: The container's {ROUTE} says {name} = {shown}, which must be {allowed}")
