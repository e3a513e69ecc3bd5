"""Formulas of alarms: worked out reading by reading, and refused by name where they are not."""

import pytest

from local.metric_math import Formula, FormulaError

WORKED_OUT = [
    ("IF(requests >= 5, 100 * errors / requests, 0)", {"requests": 10.0, "errors": 1.0}, 10),
    ("IF(requests >= 5, 100 * errors / requests, 0)", {"requests": 4.0, "errors": 4.0}, 0),
    ("IF(requests >= 5, 100 * errors / requests, 0)", {"requests": None, "errors": 1.0}, None),
    ("latency / 1000", {"latency": 1500.0}, 1.5),
    ("a / b", {"a": 1.0, "b": 0.0}, None),
    ("FILL(a, 0) + b", {"a": None, "b": 2.0}, 2),
    ("MAX(a, b) - MIN(a, b)", {"a": 3.0, "b": 7.0}, 4),
    ("-a", {"a": 2.0}, -2),
    ("a == b", {"a": 2.0, "b": 2.0}, 1),
]


@pytest.mark.parametrize(("text", "readings", "value"), WORKED_OUT)
def test_formula_is_worked_out(text, readings, value):
    assert Formula(text).value(readings) == value


@pytest.mark.parametrize(
    "text",
    ["ANOMALY_DETECTION_BAND(a)", "a ** 2", "a if b else c", "IF(a)", "__import__('os')", "a.b", "SEARCH('x')", "a ="],
)
def test_what_is_not_worked_out_is_refused_by_name(text):
    with pytest.raises(FormulaError, match="embedded AWS"):
        Formula(text)
