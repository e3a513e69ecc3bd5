"""The deployed fleet under load: it grows as processes, answers all the while, shrinks again, and keeps to its schedule."""

import time
from collections.abc import Callable

import pytest

from local import control, process_group
from tests.system.deployed import SERVING, Deployed
from tests.system.load import Load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rollout")]
# A minute of CloudWatch's is a second here.
CLOCK = 60
MOST = 3
# A tenth of what the clients ask for in a second.
TARGET = {"target_invocations_per_minute": 1.0, "max_instances": MOST, "scale_in_cooldown_seconds": 300}
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaling")
    running = control.start(state=folder / "aws", port=0, clock=CLOCK)
    try:
        made = Deployed(running, folder)
        made.bootstrap()
        made.deploy(scaled(made))
        yield made
    finally:
        control.stop(folder / "aws")


def scaled(system: Deployed, **more: object):
    return system.changed(**{f"serving__scaling__{name}": value for name, value in {**TARGET, **more}.items()})


def fleet(system: Deployed) -> int:
    """Instances that run, by their processes and the folder of each one's model, whatever anybody says of them."""
    found = [one.command.split() for one in process_group.members(system.running.facts.pid)]
    return len({words[words.index("--model") + 1] for words in found if "serving" in words and "--model" in words})


def until(said: Callable[[], object], seconds: float) -> float:
    began = time.monotonic()
    while not said():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.2)
    return time.monotonic() - began


def resource(system: Deployed) -> dict[str, str]:
    client = system.root.client("application-autoscaling")
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    return {"ServiceNamespace": "sagemaker", "ResourceId": target["ResourceId"], "ScalableDimension": DIMENSION}


def alarm_states(system: Deployed) -> dict[str, str]:
    """High and Low of the policy."""
    client = system.root.client("cloudwatch")
    found = client.describe_alarms(AlarmNamePrefix=f"TargetTracking-{resource(system)['ResourceId']}")["MetricAlarms"]
    return {one["AlarmName"].rsplit("-Alarm", 1)[1].split("-")[0]: one["StateValue"] for one in found}


def activities(system: Deployed) -> list[tuple[str, str, str]]:
    """What was done, what it came of and how it ended, oldest first."""
    client = system.root.client("application-autoscaling")
    found = client.describe_scaling_activities(**resource(system))["ScalingActivities"][::-1]
    return [(one["Description"], one["Cause"], one["StatusCode"]) for one in found]


def test_load_grows_the_fleet_and_quiet_shrinks_it_while_every_request_is_answered(system):
    assert fleet(system) == 1
    with Load(system) as load:
        grown = until(lambda: fleet(system) == MOST, 40)
        assert alarm_states(system)["High"] == "ALARM"
        until(lambda: activities(system)[-1][2] == "Successful", 20)
        load.until(30)
    shrunk = until(lambda: fleet(system) == 1, 60)
    load_seen = len(load.answers)
    print(f"{load_seen} requests; {MOST} processes after {grown:.0f} s, one again {shrunk:.0f} s after the last")
    assert load.failures() == {}
    until(lambda: activities(system)[-1][2] == "Successful", 20)
    found = activities(system)
    assert found[0][0].startswith("Setting desired instance count to ")
    assert "-AlarmHigh-" in found[0][1]
    assert found[-1][0] == "Setting desired instance count to 1."
    assert "-AlarmLow-" in found[-1][1]
    # Fifteen quiet minutes first.
    assert shrunk >= 13


def test_a_schedule_of_the_stage_file_changes_the_bounds_and_with_them_the_fleet(system):
    rush = {"name": "rush", "when": "cron(0/10 * * * ? *)", "min_instances": 2, "max_instances": 2}
    system.deploy(scaled(system, schedule=[rush]), stack=SERVING)
    until(lambda: fleet(system) == 2, 30)
    found = activities(system)
    assert ("Setting min capacity to 2 and max capacity to 2", "scheduled action name", "Successful") in [
        (done, cause[:21], ended) for done, cause, ended in found
    ]
    assert system.call("POST", "/predict", system.sample.read_bytes()).status == 200
