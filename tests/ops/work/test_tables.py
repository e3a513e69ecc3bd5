"""Tables as a person sees them, and as a log keeps them."""

import io
import re

from rich.console import Console

from ops.work.tables import plain, show


def shown(**how):
    out = io.StringIO()
    table = plain(("name",), ("took",))
    table.add_row("a" * 120, "3 min")
    show(Console(file=out, width=80, **how), table)
    return out.getvalue()


def test_in_a_log_a_long_name_stands_whole_on_its_line():
    assert "a" * 120 + "  3 min" in shown(force_terminal=False)


def test_on_a_terminal_a_table_keeps_to_its_width():
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in shown(force_terminal=True).splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[2].endswith("a  3 min")
    assert sum(line.count("a") for line in lines[2:]) == 120
