"""How much of an alias's calls a deployment has moved, and for how long it waits there: the arithmetic alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.records import Document

MINUTE_SECONDS = 60
CANARY, LINEAR, AT_ONCE = "TimeBasedCanary", "TimeBasedLinear", "AllAtOnce"
# What AWS offers beside one's own, by name.
CANARY_MINUTES, LINEAR_MINUTES = (5, 10, 15, 30), (1, 2, 3, 10)
PREDEFINED_PERCENT = 10


@dataclass(frozen=True)
class Step:
    """The new version's share of the calls, and the wait before the next step."""

    share: float
    wait_seconds: float


def steps(routing: Document) -> Iterator[Step]:
    """A TrafficRoutingConfig step by step; the last one moves everything."""
    kind = routing["type"]
    if kind == CANARY:
        canary = routing["timeBasedCanary"]
        yield Step(canary["canaryPercentage"] / 100, canary["canaryInterval"] * MINUTE_SECONDS)
    elif kind == LINEAR:
        linear = routing["timeBasedLinear"]
        percent, wait = linear["linearPercentage"], linear["linearInterval"] * MINUTE_SECONDS
        yield from (Step(moved / 100, wait) for moved in range(percent, 100, percent))
    yield Step(1.0, 0.0)


def fault(routing: Document | None) -> str | None:
    """Why this is no way to move an alias, in a sentence."""
    kind = (routing or {}).get("type")
    if routing is None or kind not in (CANARY, LINEAR, AT_ONCE):
        return "A deployment configuration for Lambda needs a trafficRoutingConfig with a type."
    if kind == AT_ONCE:
        return None
    member, percent, minutes = {
        CANARY: ("timeBasedCanary", "canaryPercentage", "canaryInterval"),
        LINEAR: ("timeBasedLinear", "linearPercentage", "linearInterval"),
    }[kind]
    given = routing.get(member) or {}
    if not 1 <= given.get(percent, 0) <= 99:  # noqa: PLR2004 - percent, and something on either side
        return f"{percent} of a {kind} lies between 1 and 99."
    if given.get(minutes, 0) < 1:
        return f"{minutes} of a {kind} is a number of minutes, 1 or more."
    return None


def predefined() -> dict[str, Document]:
    """Name -> TrafficRoutingConfig."""
    share = PREDEFINED_PERCENT
    canary = {
        f"CodeDeployDefault.LambdaCanary{share}Percent{minutes}Minutes": {
            "type": CANARY,
            "timeBasedCanary": {"canaryPercentage": share, "canaryInterval": minutes},
        }
        for minutes in CANARY_MINUTES
    }
    linear = {
        f"CodeDeployDefault.LambdaLinear{share}PercentEvery{minutes}Minute{'s' if minutes > 1 else ''}": {
            "type": LINEAR,
            "timeBasedLinear": {"linearPercentage": share, "linearInterval": minutes},
        }
        for minutes in LINEAR_MINUTES
    }
    return {"CodeDeployDefault.LambdaAllAtOnce": {"type": AT_ONCE}, **canary, **linear}
