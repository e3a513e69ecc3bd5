"""Tables for a spreadsheet: what comes from elsewhere must not run in it."""

import csv
from collections.abc import Iterable
from typing import IO, Any

# With what a spreadsheet takes for a formula, a file's name could fetch or send something.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(out: IO[str], heading: list[str], rows: Iterable[list[Any]]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:  # noqa: ANN401 - numbers stay numbers
    """An apostrophe before it makes it text; --json has the words as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
