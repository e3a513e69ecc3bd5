"""What trials vary, read from the stage file's `[[training.tuning.space]]`, which the pipeline's tuner searches too.

A file is all that the stacks and training share; this module knows no more of it than that table.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.errors import TrainingError

SCALES = ("linear", "logarithmic")
METRICS = Path(__file__).resolve().parent / "metrics.toml"


@dataclass(frozen=True)
class Dimension:
    """One flag and what it may be: between two numbers, or one of several values."""

    flag: str
    range: tuple[float, float] | None
    logarithmic: bool
    values: tuple[Any, ...]

    @property
    def whole(self) -> bool:
        """Whether a range has whole numbers only, which is what two whole bounds mean."""
        return self.range is not None and all(isinstance(bound, int) for bound in self.range)


@dataclass(frozen=True)
class Objective:
    """What a trial is judged by, where its log says so, and whether more is better."""

    name: str
    pattern: str
    direction: Literal["maximize", "minimize"]


def read_space(stage_file: Path) -> list[Dimension]:
    """The table of a stage file, each fault in a sentence."""
    try:
        found = tomllib.loads(stage_file.read_text())
        tables = found["training"]["tuning"]["space"]
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"--stage-file {stage_file}: not readable ({error}); name one as config/dev.toml"
        ) from error
    except (KeyError, TypeError) as error:
        raise TrainingError(f"--stage-file {stage_file}: it has no [[training.tuning.space]]; add one") from error
    return [_dimension(f"{stage_file}: training.tuning.space[{number}]", table) for number, table in enumerate(tables)]


def read_objective() -> Objective:
    """From the file that the pipeline's metric definitions are made of."""
    found = tomllib.loads(METRICS.read_text())
    name = found["objective"]["name"]
    return Objective(name, rf"\b{name}={found['number']}", found["objective"]["direction"])


def _dimension(place: str, table: dict[str, Any]) -> Dimension:
    name, bounds, values = table.get("name"), table.get("range"), table.get("values", [])
    scale = table.get("scale", "linear")
    if not isinstance(name, str):
        raise TrainingError(f"{place}.name is missing; it must name a flag, as learning_rate")
    if scale not in SCALES:
        raise TrainingError(f'{place}.scale = "{scale}": allowed are {", ".join(SCALES)}')
    if bounds is None:
        if len(values) < 2:  # noqa: PLR2004 (one value is no choice)
            raise TrainingError(f"{place}: {name} needs a range of two numbers, or two or more values")
        return Dimension(_flag(name), None, False, tuple(values))
    rising = len(bounds) == 2 and all(map(_is_number, bounds)) and bounds[0] < bounds[1]  # noqa: PLR2004 (low, high)
    if not rising or (scale == "logarithmic" and bounds[0] <= 0):
        above = " above 0" if scale == "logarithmic" else ""
        raise TrainingError(f"{place}.range = {bounds}: it must be a number{above}, then a larger one")
    return Dimension(_flag(name), (bounds[0], bounds[1]), scale == "logarithmic", ())


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
