"""Spans of time in the three ways that a person is told of them."""

from datetime import timedelta

import pytest

from ops.spans import exact, in_words, short


@pytest.mark.parametrize(
    ("span", "said"),
    [(timedelta(minutes=119), "119 minutes"), (timedelta(hours=47), "47 hours"), (timedelta(days=2), "2 days")],
)
def test_spans_as_a_person_says_them(span, said):
    assert in_words(span) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172_800, "2 days")],
)
def test_a_column_has_room_for_one_unit(seconds, said):
    assert short(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(59.6, "1 min 0 s"), (59, "59 s"), (3660, "1 h 1 min")])
def test_a_picture_tells_the_exact_time(seconds, said):
    assert exact(seconds) == said
