"""What a tuning job tries next: values drawn from its ranges, each on the scale that the range names.

Every strategy draws at random here. AWS's Bayesian strategy learns from the trials before; its model is not published.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from local.records import Document
from local.sagemaker.names import not_available, validation


@dataclass
class Search:
    """Draws that a seed repeats."""

    ranges: Document
    seed: int | None
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - looks for values, guards nothing

    def draw(self) -> dict[str, str]:
        """Name -> value, as the text that a training job takes."""
        drawn = {}
        for one in self.ranges.get("ContinuousParameterRanges", []):
            low, high = float(one["MinValue"]), float(one["MaxValue"])
            drawn[one["Name"]] = f"{self._between(low, high, one.get('ScalingType', 'Auto')):.12g}"
        for one in self.ranges.get("IntegerParameterRanges", []):
            low, high = int(one["MinValue"]), int(one["MaxValue"])
            # Half a step on each side, so that the ends come as often as the others.
            found = self._between(low - 0.499, high + 0.499, _scaling_of_integers(one, low))
            drawn[one["Name"]] = str(min(high, max(low, round(found))))
        for one in self.ranges.get("CategoricalParameterRanges", []):
            drawn[one["Name"]] = self._random.choice(one["Values"])
        return drawn

    def _between(self, low: float, high: float, scaling: str) -> float:
        to, back = SCALES[scaling]
        return back(self._random.uniform(to(low), to(high)))


def _same(value: float) -> float:
    return value


SCALES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "Auto": (_same, _same),
    "Linear": (_same, _same),
    "Logarithmic": (math.log, math.exp),
    # Dense near 1: -log(1 - x).
    "ReverseLogarithmic": (lambda value: -math.log1p(-value), lambda value: -math.expm1(-value)),
}


def _scaling_of_integers(one: Document, low: int) -> str:
    scaling = str(one.get("ScalingType", "Auto"))
    # log(0.501) is fine, log(-0.499) is not.
    return "Linear" if scaling == "Logarithmic" and low < 1 else scaling


def refuse(ranges: Document) -> None:
    if ranges.get("AutoParameters"):
        raise not_available("A tuning job with AutoParameters")
    names = [one["Name"] for kind in ranges.values() for one in kind]
    if not names:
        raise validation("A tuning job needs at least one hyperparameter range.")
    if len(set(names)) != len(names):
        raise validation(f"Hyperparameters of a tuning job must be unique, not {names}.")
    for one in [*ranges.get("ContinuousParameterRanges", []), *ranges.get("IntegerParameterRanges", [])]:
        _refuse_range(one)


def _refuse_range(one: Document) -> None:
    where = f"The range of {one['Name']} from {one['MinValue']} to {one['MaxValue']}"
    try:
        low, high = float(one["MinValue"]), float(one["MaxValue"])
    except ValueError:
        raise validation(f"{where} is not made of numbers.") from None
    if not low < high:
        raise validation(f"{where} is empty.")
    scaling = one.get("ScalingType", "Auto")
    if scaling == "Logarithmic" and low <= 0:
        raise validation(f"{where} cannot have Logarithmic scaling: it must be above 0.")
    if scaling == "ReverseLogarithmic" and not 0 <= low < high < 1:
        raise validation(f"{where} cannot have ReverseLogarithmic scaling: it must be within 0 to 1.")
