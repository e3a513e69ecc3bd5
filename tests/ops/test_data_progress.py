"""How far a push has come: a bar at a terminal, lines now and then in a log."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from ops.data import progress
from ops.data.progress import Progress


def shown(*, terminal, total=1000, files=4):
    """What a push of four files shows, and its number of files at the end."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with Progress("push", total_bytes=total, files=files, console=console) as told:
        for _ in range(3):
            told.tell(1, 250)
        if terminal:
            told._bar.refresh()
    return console.file.getvalue(), told.files


def test_a_terminal_has_a_bar_with_the_count_that_leaves_nothing_behind():
    said, files = shown(terminal=True)
    assert files == 3
    assert "push  3 of 4" in said and "━" in said and "0.8/1.0 kB" in said
    assert said.endswith("\x1b[2K"), "its line is wiped"


def test_a_log_has_a_line_every_ten_seconds_and_no_control_codes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    console = Console(file=io.StringIO(), width=120)
    with Progress("push", total_bytes=1000, files=4, console=console) as told:
        for now[0] in (6.0, 12.0, 18.0, 25.0):
            told.tell(1, 250)
    assert console.file.getvalue().splitlines() == [
        "push: 2 of 4 files, 500 bytes of 1.0 kB, 41 bytes/s",
        "push: 4 of 4 files, 1.0 kB of 1.0 kB, 40 bytes/s",
    ]


@pytest.mark.parametrize(("total", "files", "line"), [(None, 0, r"push: 250 bytes, .*/s"), (1000, 0, r"push: 250 .*")])
def test_what_is_not_known_is_left_out(monkeypatch, total, files, line):
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", 0.0)
    said, _ = shown(terminal=False, total=total, files=files)
    assert re.fullmatch(line, said.splitlines()[0])
