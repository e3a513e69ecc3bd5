"""A rollout under load: what breaks or is slow is taken back by its alarms, and every request is counted."""

import hashlib
import statistics
import time

import pytest

from lambda_src.predict.breaker import OPEN_SECONDS
from local import control
from ops import cdk
from tests.system import bad_models
from tests.system.deployed import SERVING, Deployed
from tests.system.load import CLIENTS, Load, Told

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rollout")]
# A minute of CloudWatch's is a second here.
CLOCK = 60
LATENCY_MS = 700.0
ROLLOUT = {
    "kind": "canary",
    "step_percent": 50,
    "wait_seconds": 600,
    "keep_old_seconds": 60,
    "alarms": {"error_percent": 1.0, "latency_p99_ms": LATENCY_MS, "minutes": 1},
}
SLOW_SECONDS = 2.5


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollout")
    running = control.start(state=folder / "aws", port=0, clock=CLOCK)
    try:
        made = Deployed(running, folder)
        made.bootstrap()
        made.deploy(made.changed(serving__rollout=ROLLOUT))
        yield made
    finally:
        control.stop(folder / "aws")


def offered(system: Deployed, artefact: bytes, version: str) -> dict[str, str]:
    """The settings that serve it."""
    key = f"models/{hashlib.sha256(artefact).hexdigest()}/model.tar.gz"
    system.root.client("s3").put_object(Bucket=system.bucket, Key=key, Body=artefact)
    return {"model__artifact": key, "model__version": version}


def serving(system: Deployed) -> tuple[str, str]:
    found = system.root.client("sagemaker").describe_endpoint(EndpointName=system.endpoint)
    return found["EndpointStatus"], found["EndpointConfigName"]


def taken_back(system: Deployed, artefact: bytes) -> str:
    """What CloudFormation says of the deploy that fails."""
    bad = system.changed(serving__rollout=ROLLOUT, **offered(system, artefact, "bad"))
    with pytest.raises(cdk.CdkError):
        system.deploy(bad, stack=SERVING)
    events = system.root.client("cloudformation").describe_stack_events(StackName=SERVING)["StackEvents"]
    return next(one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "UPDATE_FAILED")


def rehearse(system: Deployed, artefact: bytes) -> tuple[str, list[Told], float]:
    """Requests before, during and after; those before and after are all answered. The reason, those during, the usual time after."""
    before = serving(system)
    with Load(system) as load:
        load.until(30)
        began = time.monotonic()
        reason = taken_back(system, artefact)
        ended = time.monotonic()
        # A function that saw the endpoint fail leaves it alone for a while.
        time.sleep(OPEN_SECONDS)
        back = time.monotonic()
        # One of each client may have been under way when that began.
        load.until(30 + CLIENTS)
    told, during, after = load.between(0, began), load.between(began, ended), load.between(back)
    failed = [one for one in during if one.failed]
    print(f"{len(told)} requests before, {len(during)} during of which {len(failed)} failed, {len(after)} after")
    assert system.stack_status(SERVING) == "UPDATE_ROLLBACK_COMPLETE"
    assert serving(system) == before
    assert len(told) >= 30
    assert len(after) >= 30
    assert not [one for one in told + after if one.failed]
    return reason, during, statistics.median(one.seconds for one in after)


def test_a_broken_model_is_taken_back_and_traffic_returns(system):
    reason, during, _ = rehearse(system, bad_models.broken())
    assert "RollbackPrimaryErrors" in reason
    assert "was in ALARM during the update, which was rolled back" in reason
    # The canary failed those who met it, and those alone.
    assert {one.status for one in during} == {200, 503}


def test_a_slow_model_is_taken_back_and_traffic_returns(system):
    reason, during, usual_after = rehearse(system, bad_models.slow(SLOW_SECONDS))
    assert "RollbackPrimaryLatency" in reason
    assert "was in ALARM during the update, which was rolled back" in reason
    assert 0 not in {one.status for one in during}
    assert max(one.seconds for one in during) > LATENCY_MS / 1000 > usual_after
