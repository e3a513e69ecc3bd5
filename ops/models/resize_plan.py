"""What is left to do for another instance type or a variant less, as stage files to deploy one after the other.

AWS refuses either while the variant's scaling is registered, and CloudFormation takes a target away only after the
endpoint has changed. So scaling is paused first, which leaves the endpoint as it is; then the change goes in, and its
scaling comes back after it.
"""

import tomllib
from dataclasses import dataclass

from config.names import VARIANT
from ops.errors import OperatorError
from ops.models.live import Live
from ops.models.stage_file import with_instance_type, with_scaling_paused, with_scaling_resumed, without_variant


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    """The stage file that it deploys."""


@dataclass(frozen=True)
class Wanted:
    """One of the two."""

    instance_type: str | None
    removed: str | None

    def __str__(self) -> str:
        return f"Instance type {self.instance_type}" if self.instance_type else f"Without variant {self.removed}"

    def is_live(self, serving: Live) -> bool:
        if self.instance_type:
            return serving.variants[0].instance_type == self.instance_type
        return self.removed not in [one.variant for one in serving.variants]


@dataclass(frozen=True)
class Plan:
    as_deployed: str
    """The stage file as it was deployed last, as far as this change concerns it."""
    steps: list[Step]


def planned(text: str, wanted: Wanted, serving: Live, *, scaled: bool) -> Plan:
    """From what is live and not from what was done before, so that it holds wherever an earlier run was interrupted."""
    if wanted.removed == VARIANT:
        raise OperatorError(f"{VARIANT} is the first variant, which model.artifact names: it cannot be removed.")
    before, target = _before(text, wanted, serving), with_scaling_resumed(_after(text, wanted))
    scales = bool(tomllib.loads(target)["serving"]["scaling"]["enabled"])
    paused = with_scaling_paused(before)
    as_deployed = paused if scales and not scaled else with_scaling_resumed(before)
    if wanted.is_live(serving):
        if scales and not scaled:
            return Plan(as_deployed, [Step("Bring scaling back", target)])
        return Plan(as_deployed, [])
    change = Step(f"{wanted}{', then scaling back on' if scales else ''}", target)
    return Plan(
        as_deployed, [Step("Pause scaling; the endpoint stays as it is", paused), change] if scaled else [change]
    )


def _before(text: str, wanted: Wanted, serving: Live) -> str:
    """With what is live in it, whatever somebody has written meanwhile."""
    if wanted.instance_type:
        return with_instance_type(text, serving.variants[0].instance_type)
    if wanted.removed in [one.variant for one in serving.variants] and wanted.removed not in variants_of(text):
        raise OperatorError(
            f"The variant {wanted.removed} is live and not in the stage file any more: put its section back, so that "
            "it can be served until its scaling is off; this command then takes it away."
        )
    return text


def _after(text: str, wanted: Wanted) -> str:
    if wanted.instance_type:
        return with_instance_type(text, wanted.instance_type)
    name = str(wanted.removed)
    return without_variant(text, name) if name in variants_of(text) else text


def variants_of(text: str) -> list[str]:
    return [one["name"] for one in tomllib.loads(text)["serving"].get("variants", [])]
