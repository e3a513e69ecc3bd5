"""What was said of a picture, and where the time went on the way there and back."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

STEP = re.compile(r"([a-z_-]+);dur=([0-9.]+)")
MODEL = "model-"


class AnswerError(Exception):
    """No prediction, in one sentence."""


@dataclass(frozen=True)
class Answered:
    image: str
    predictions: list[dict[str, Any]] = field(default_factory=list)
    model_version: str = ""
    variant: str = ""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """Hop -> what was spent there and nowhere further; all of them together are `total`."""
    steps: dict[str, float] = field(default_factory=dict)
    """Of the model's own time."""
    error: str = ""

    @property
    def label(self) -> str:
        return str(self.predictions[0]["label"]) if self.predictions else ""

    @property
    def probability(self) -> float:
        return float(self.predictions[0]["probability"]) if self.predictions else 0.0


def hops(first: str, total: float, timing: str) -> tuple[dict[str, float], dict[str, float]]:
    """What each hop spent itself. `first` is whom we asked; `timing` is what those behind it say of themselves.

    Each counts what is behind it as well, so that the next one's time is taken off; clocks differ by a hair.
    """
    said = {name: float(spent) for name, spent in STEP.findall(timing)}
    steps = {name.removeprefix(MODEL): spent for name, spent in said.items() if name.startswith(MODEL)}
    model = sum(steps.values())
    function, endpoint, fetch = said.get("function"), said.get("endpoint"), said.get("fetch", 0.0)
    spent: dict[str, float] = {}
    behind = 0.0
    if steps:
        spent["model"], behind = model, model
    if endpoint is not None:
        spent["endpoint"], behind = max(0.0, endpoint - behind), endpoint
    if "fetch" in said:
        spent["fetch"], behind = fetch, behind + fetch
    if function is not None:
        spent["function"], behind = max(0.0, function - behind), function
    spent[first] = max(0.0, total - behind)
    ordered = {name: round(one, 2) for name, one in reversed(spent.items())}
    return {**ordered, "total": round(total, 2)}, steps


def read(image: str, body: bytes) -> dict[str, Any]:
    """The JSON of a good answer, or AnswerError."""
    try:
        found = json.loads(body)
        if isinstance(found["predictions"], list) and found["predictions"]:
            return dict(found)
    except (ValueError, LookupError, TypeError):
        pass
    shown = body[:200].decode(errors="replace")
    raise AnswerError(f"{image}: the answer cannot be read: {shown}")


def refusal(image: str, whom: str, status: int, body: bytes) -> AnswerError:
    """The words of whoever refused, in one sentence: the function's and the model's, or the gateway's own."""
    try:
        found = json.loads(body)
        said = found["error"]["message"] if "error" in found else found.get("message") or found.get("Message")
    except (ValueError, LookupError, TypeError, AttributeError):
        said = body[:200].decode(errors="replace")
    return AnswerError(f"{image}: {whom} answered {status}: {said or 'nothing'}")
