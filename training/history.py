"""What each epoch measured."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.run import Epoch


def write_history(history: Sequence[Epoch], file: Path) -> None:
    """One line for each epoch."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        lines = csv.writer(opened)
        for place, epoch in enumerate(history):
            columns = {
                "epoch": epoch.number,
                **{f"train_{name}": value for name, value in asdict(epoch.train).items()},
                **{f"valid_{name}": value for name, value in asdict(epoch.valid).items()},
                "seconds": round(epoch.seconds, 3),
            }
            if place == 0:
                lines.writerow(columns)
            lines.writerow(columns.values())
