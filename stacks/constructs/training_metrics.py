"""What training prints and is judged by, from the file that ships with it: training/metrics.toml."""

import tomllib
from dataclasses import dataclass

from stacks.constructs import source_folders


@dataclass(frozen=True)
class TrainingMetrics:
    names: tuple[str, ...]
    number: str
    """A regular expression with one group, for the value."""
    objective: str
    direction: str
    """maximize or minimize."""

    def definitions(self) -> list[dict[str, str]]:
        """SageMaker's metric definitions: where in a job's log each metric stands."""
        return [{"Name": name, "Regex": rf"\b{name}={self.number}"} for name in self.names]


def training_metrics() -> TrainingMetrics:
    """Read the file."""
    found = tomllib.loads((source_folders.TRAINING / "metrics.toml").read_text())
    objective = found["objective"]
    return TrainingMetrics(tuple(found["names"]), found["number"], objective["name"], objective["direction"])
