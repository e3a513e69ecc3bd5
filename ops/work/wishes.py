"""What the operator wants otherwise than deployed, checked as if the stage file said it."""

import argparse
import json
from dataclasses import dataclass, field
from typing import Any

from config import StageConfig
from config.load import parse_stage
from ops.errors import OperatorError
from ops.stage import Stage

LONGEST_SECONDS = 2_419_200  # SageMaker ends any job after 28 days.


@dataclass(frozen=True)
class Wish:
    """None: as deployed."""

    instances: int | None = None
    instance_type: str | None = None
    spot: bool | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """By the stage file's names, as numbers, texts and booleans."""
    jobs: int | None = None
    parallel: int | None = None

    @classmethod
    def told(cls, arguments: argparse.Namespace) -> "Wish":
        """By a command's words; each command has some of them."""
        told = vars(arguments)
        names = ("instances", "instance_type", "spot", "jobs", "parallel")
        return cls(**{name: told.get(name) for name in names}, hyperparameters=assignments(told.get("set") or []))

    @property
    def flags(self) -> dict[str, str]:
        """As SageMaker takes hyperparameters: names as flags, values as texts."""
        return {flag(name): text(value) for name, value in self.hyperparameters.items()}


def flag(name: str) -> str:
    return name.replace("_", "-")


def text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def assignments(words: list[str]) -> dict[str, Any]:
    """`--set learning_rate=0.01`: a number, true, false, or a text; learning-rate means the same."""
    found = {}
    for word in words:
        name, is_assignment, value = word.partition("=")
        if not is_assignment or not name:
            raise OperatorError(f"--set {word}: say NAME=VALUE, as --set learning_rate=0.01.")
        found[name.replace("-", "_")] = _value(value)
    return found


def _value(told: str) -> Any:  # noqa: ANN401 - whatever the key takes
    try:
        found = json.loads(told)
    except ValueError:
        return told
    return found if isinstance(found, bool | int | float) else told


def checked(stage: Stage, wish: Wish, *, tuning: bool = False) -> tuple[StageConfig, list[str]]:
    """The stage's settings with the wish in them, and warnings that are new; ConfigError in the stage file's words."""
    return settings(stage.config, wish, tuning=tuning)


def settings(config: StageConfig, wish: Wish, *, tuning: bool = False) -> tuple[StageConfig, list[str]]:
    before = config.model_dump(by_alias=True, exclude_none=True)
    raw = config.model_dump(by_alias=True, exclude_none=True)
    own = raw["training"]
    place = own["tuning"] if tuning else own
    wanted = {
        "instance_type": wish.instance_type,
        **({"jobs": wish.jobs, "parallel": wish.parallel} if tuning else {"instance_count": wish.instances}),
    }
    place |= {key: value for key, value in wanted.items() if value is not None}
    if tuning and wish.jobs is not None and wish.parallel is None:
        place["parallel"] = min(place["parallel"], wish.jobs)
    own["hyperparameters"] |= wish.hyperparameters
    if wish.spot:
        own.setdefault("spot", {"max_wait_seconds": min(2 * own["max_run_seconds"], LONGEST_SECONDS)})
    elif wish.spot is False:
        own.pop("spot", None)
    source = "as asked for"
    found, warnings = parse_stage(raw, source)
    _, known = parse_stage(before, source)
    return found, [warning for warning in warnings if warning not in known]
