"""The suite itself: what must not happen side by side does not."""

import os

import pytest


@pytest.mark.xdist_group("together")
def test_groups_stay_on_one_worker(request):
    """One deployment, one synthesis: shared by the tests of a group, if the runner keeps the group together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@together")
