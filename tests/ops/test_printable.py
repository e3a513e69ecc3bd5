"""Words from elsewhere on a terminal: shown, and neither obeyed nor taken for markup."""

import io

import pytest
from rich.table import Table

from ops.__main__ import main
from ops.console import Terminal
from ops.errors import WorkFailed

HOSTILE = "\x1b]0;owned\x07 [/] \x9b2J[red]label"
SHOWN = "]0;owned [/] 2J[red]label"


@pytest.fixture
def terminal():
    made = Terminal()
    made.file = io.StringIO()
    return made


def test_a_line_is_shown_and_not_obeyed(terminal):
    terminal.print(f"a\tb {HOSTILE}", style="bold")
    assert terminal.file.getvalue() == f"a       b {SHOWN}\n"


def test_a_cell_is_shown_and_not_obeyed(terminal):
    table = Table(HOSTILE, box=None)
    table.add_row(HOSTILE)
    terminal.print(table, width=80)
    assert [line.strip() for line in terminal.file.getvalue().splitlines()] == [SHOWN, SHOWN]


def test_what_fails_is_shown_and_not_obeyed(monkeypatch, capsys):
    def failing(_arguments):
        raise WorkFailed(f"Job one failed: {HOSTILE}\nlast line")

    monkeypatch.setattr("ops.destroy.run", failing)
    assert main(["destroy", "--stage", "local"]) == 4
    assert capsys.readouterr().err == f"Job one failed: {SHOWN}\nlast line\n"
