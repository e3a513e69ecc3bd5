"""Tables for a spreadsheet, and what a name in them may not do there."""

import csv
import io

import pytest

from ops import spreadsheet


def written(*row):
    out = io.StringIO()
    spreadsheet.write(out, ["a", "b"], [list(row)])
    return list(csv.reader(out.getvalue().splitlines()))[1:]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1.jpg", "@SUM(1)", "\tx"])
def test_what_a_spreadsheet_would_run_is_text(name):
    assert written(name, "x") == [[f"'{name}", "x"]]


def test_all_else_is_as_it_was():
    assert written('a, "b" ü.jpg', -0.5) == [['a, "b" ü.jpg', "-0.5"]]
    assert written("a=b", "") == [["a=b", ""]]
