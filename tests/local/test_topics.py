"""Alarms and rules publish to a topic only where its policy lets them."""

import time

import pytest

from tests.local.listening_queue import ALARMS, Listened, publish_by_rule, ring


@pytest.fixture
def listened(embedded):
    return Listened(embedded)


@pytest.mark.parametrize(("source", "count"), [("alarm:*", 1), ("alarm:another", 0)])
def test_an_alarm_publishes_where_it_is_admitted(embedded, listened, source, count):
    listened.admit(ALARMS, f"arn:aws:cloudwatch:us-east-1:{embedded.running.facts.account}:{source}")
    ring(embedded, listened.topic)
    assert len(listened.heard()) == count


@pytest.mark.parametrize("admitted", [True, False])
def test_a_rule_publishes_where_it_is_admitted_with_its_own_words(embedded, listened, admitted):
    publish_by_rule(embedded, listened, admitted=admitted)
    deadline, heard = time.monotonic() + 3, []
    while admitted and not heard and time.monotonic() < deadline:
        heard = listened.heard()
    assert [one.strip('"') for one in heard or listened.heard()] == (["It was me."] if admitted else [])
