"""Updates wait by the clock of the embedded AWS: an hour between two steps need not be one of ours."""

import pytest

from tests.embedded import RATE
from tests.local.test_rollouts import blue_green, models, rolling, update

pytestmark = pytest.mark.xdist_group("scaling")
# A second of ours; more than `settled` has patience for, where an update waits by the machine's time.
WAIT = RATE


@pytest.mark.slow
@pytest.mark.parametrize(
    "deployment",
    [
        blue_green("CANARY", 50, wait=WAIT),
        blue_green("LINEAR", 50, wait=WAIT),
        blue_green(keep=WAIT),
        rolling(50, WAIT),
    ],
    ids=["canary", "linear", "all at once", "rolling"],
)
def test_update_ends_with_the_new_model_alone(fast, deployment):
    endpoint = fast.serving(name="old")
    config = update(fast, endpoint, deployment)
    found = fast.settled(endpoint)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config)
    assert found["LastDeploymentConfig"] == deployment
    assert "PendingDeploymentSummary" not in found
    assert set(models(fast, endpoint, 10)) == {"new"}
