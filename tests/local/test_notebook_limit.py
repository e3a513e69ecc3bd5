"""How long a lifecycle script of a notebook may take, by a clock that runs ahead."""

import pytest

from tests.local.notebooks import Notebook

# The worker whose embedded AWS has that clock.
pytestmark = pytest.mark.xdist_group("scaling")


def test_a_script_has_five_minutes(fast):
    found = Notebook(fast, OnStart="#!/bin/bash\nsleep 600\n").settled()
    assert found["NotebookInstanceStatus"] == "Failed"
    assert "took longer than 5 minutes. Please check your CloudWatch logs" in found["FailureReason"]
