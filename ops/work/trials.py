"""Trials of a tuning job: what each tried, and what came of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ops.work.jobs import ENDED


@dataclass(frozen=True)
class Trial:
    name: str
    status: str
    tuned: dict[str, str]
    value: float | None
    """Of the objective; None until it has one."""
    maximize: bool
    seconds: float
    reason: str

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "maximize"}


def trials_in(listed: Sequence[dict[str, Any]]) -> list[Trial]:
    return [_trial(one) for one in listed]


def _trial(one: dict[str, Any]) -> Trial:
    metric = one.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    start = one.get("TrainingStartTime") or one["CreationTime"]
    end = one.get("TrainingEndTime") or datetime.now(UTC)
    return Trial(
        one["TrainingJobName"],
        one["TrainingJobStatus"],
        dict(one.get("TunedHyperParameters", {})),
        float(metric["Value"]) if "Value" in metric else None,
        metric.get("Type", "Maximize") == "Maximize",
        (end - start).total_seconds(),
        one.get("FailureReason", ""),
    )


def best_of(trials: Sequence[Trial]) -> Trial | None:
    scored = [one for one in trials if one.value is not None]
    if not scored:
        return None
    return max(scored, key=lambda one: (one.value or 0.0) * (1 if one.maximize else -1))
