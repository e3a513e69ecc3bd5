"""What a model.json must say before anything is served from it (docs/artefact.md).

Unknown keys are let through where they only inform; inside `preprocessing` they are refused, because a step that the
server does not know is a step that it would leave out.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import StartError

FORMATS = (1,)
Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Rule:
    """What one key may hold: `allowed` is the rest of the sentence 'it must be ...'."""

    key: str
    allowed: str
    holds: Check


def whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def positive(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return number(value) and value > 0


def three(check: Check) -> Check:
    return lambda value: isinstance(value, list) and len(value) == 3 and all(map(check, value))  # noqa: PLR2004 (RGB)


def one_of(*values: object) -> Check:
    return lambda value: any(type(value) is type(allowed) and value == allowed for allowed in values)


def matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def distinct_names(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    if not isinstance(value, list) or not all(isinstance(label, str) and label.strip() for label in value):
        return False
    return len(value) >= 2 and len(set(value)) == len(value)  # noqa: PLR2004 (one class is no choice)


NAME = matches(r"[A-Za-z0-9_.:/-]{1,100}")
SHA256 = matches(r"[0-9a-f]{64}")
PREPROCESSING_RULES = (
    Rule("preprocessing.resize", "a whole number from 1 to 8192", whole(1, 8192)),
    Rule("preprocessing.jpeg_draft", "0, 1, 2 or 4", one_of(0, 1, 2, 4)),
    Rule("preprocessing.exif", '"upright" or "ignore"', one_of("upright", "ignore")),
    Rule("preprocessing.colour", '"RGB"', one_of("RGB")),
    Rule("preprocessing.background", "three whole numbers from 0 to 255", three(whole(0, 255))),
    Rule("preprocessing.crop", '"centre"', one_of("centre")),
    Rule("preprocessing.interpolation", '"bilinear" or "bicubic"', one_of("bilinear", "bicubic")),
    Rule("preprocessing.scale", "a number above 0", positive),
    Rule("preprocessing.mean", "three numbers", three(number)),
    Rule("preprocessing.std", "three numbers above 0", three(positive)),
)
RULES = (
    Rule("format", f"one of {', '.join(map(str, FORMATS))}, which this server can read", one_of(*FORMATS)),
    Rule("version", "1 to 100 letters, digits, '.', '-' or '_'", matches(r"[A-Za-z0-9_.-]{1,100}")),
    Rule("labels", "two or more different names", distinct_names),
    Rule("input.name", "the name of the network's input", NAME),
    Rule("input.channels", "3", one_of(3)),
    Rule("input.height", "a whole number from 1 to 4096", whole(1, 4096)),
    Rule("input.width", "a whole number from 1 to 4096", whole(1, 4096)),
    Rule("output.name", "the name of the network's output", NAME),
    *PREPROCESSING_RULES,
    Rule("temperature", "a number above 0", positive),
)
FILE_NAMES = ("model.onnx", "model.pt")
INT8_FILE = "model.int8.onnx"
INT8_RULE = Rule("int8.kept", "true, or false with a reason beside it", lambda value: isinstance(value, bool))
INT8_REASON_RULE = Rule("int8.reason", "a sentence", lambda value: isinstance(value, str) and bool(value.strip()))


def check_metadata(path: Path, metadata: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Raise at the first key that is missing or holds what is not allowed."""
    if not isinstance(metadata, dict):
        raise StartError(f"{path}: it holds {shown(metadata)}; it must be a JSON object")
    for rule in RULES:
        check(path, rule, metadata, rule.key.split("."))
    for name in FILE_NAMES:
        rule = Rule(f"files.{name}.sha256", "64 hexadecimal digits in lower case", SHA256)
        check(path, rule, metadata, ["files", name, "sha256"])
    if "int8" in metadata:
        check_int8(path, metadata)
    known = {rule.key.removeprefix("preprocessing.") for rule in PREPROCESSING_RULES}
    for key in metadata["preprocessing"]:
        if key not in known:
            raise StartError(
                f"{path}: preprocessing.{key} is a step unknown to this server; known: {', '.join(sorted(known))}"
            )
    largest = max(metadata["input"]["height"], metadata["input"]["width"])
    if metadata["preprocessing"]["resize"] < largest:
        resize = metadata["preprocessing"]["resize"]
        raise StartError(
            f"{path}: preprocessing.resize is {resize}; it must be at least the input's longer side, {largest}"
        )


def check_int8(path: Path, metadata: dict[str, Any]) -> None:
    """What training says of the network in 8 bits: a file to serve, or why there is none."""
    check(path, INT8_RULE, metadata, ["int8", "kept"])
    if not metadata["int8"]["kept"]:
        check(path, INT8_REASON_RULE, metadata, ["int8", "reason"])
        return
    rule = Rule(f"files.{INT8_FILE}.sha256", "64 hexadecimal digits in lower case", SHA256)
    check(path, rule, metadata, ["files", INT8_FILE, "sha256"])


def check(path: Path, rule: Rule, metadata: dict[str, Any], keys: list[str]) -> None:
    """Raise unless the value at `keys` is there and as the rule says."""
    value: Any = metadata
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise StartError(f"{path}: {rule.key} is missing; it must be {rule.allowed}")
        value = value[key]
    if not rule.holds(value):
        raise StartError(f"{path}: {rule.key} is {shown(value)}; it must be {rule.allowed}")


def shown(value: object) -> str:
    """A value as a sentence can carry it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 (half a line)
