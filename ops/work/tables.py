"""Tables that fit 80 columns and that a log can be searched in: no frame, no wrapped names."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

# Where nobody watches, a name must stand whole on its line.
LOG_WIDTH = 160


def plain(left: Sequence[str], right: Sequence[str] = (), *, title: str | None = None) -> Table:
    """Words to the left, then numbers to the right."""
    found = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in left:
        # Where there is too little room, a long name is folded, and no number is cut.
        found.add_column(heading, overflow="fold")
    for heading in right:
        found.add_column(heading, justify="right", no_wrap=True)
    return found


def show(console: Console, table: Table) -> None:
    if not console.is_terminal:
        # A width that is only given to `print` would be cut to the console's own, which is 80 in a log.
        console.width = max(LOG_WIDTH, console.width)
    console.print(table)


def fits(console: Console, columns: int) -> bool:
    return not console.is_terminal or console.width >= columns
