"""A serverless endpoint's process ends by the embedded AWS's clock, which runs ahead here: ten minutes are two seconds."""

import pytest

from tests.local.test_endpoints import gone
from tests.local.test_serverless import serving

pytestmark = pytest.mark.xdist_group("scaling")


def test_process_ends_when_nobody_asked_for_ten_minutes_and_the_next_request_starts_another(fast):
    name = serving(fast)
    before = fast.ask(name)["pid"]
    assert fast.ask(name)["pid"] == before
    assert gone(before)
    assert fast.ask(name)["pid"] != before
