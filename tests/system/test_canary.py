"""A changed predict function goes live by its canary under load, and a broken one is taken back; who did it is on record."""

import gzip
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from local import control
from ops import cdk
from tests.system.deployed import API, OPERATIONS, Deployed
from tests.system.load import Load, Told

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rollout")]
# A minute of the deployment is a second here.
CLOCK, PERCENT, MINUTES = 60, 25, 15
CHANGES = {
    "api__canary": {"percent": PERCENT, "minutes": MINUTES},
    "api__concurrency__provisioned_min": 0,
    "api__concurrency__provisioned_max": 0,
    "operations__trail__enabled": True,
    "operations__trail__data_events": True,
}
BEFORE, AFTER = 5, 2


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("canary")
    running = control.start(state=folder / "aws", port=0, clock=CLOCK)
    try:
        made = Deployed(running, folder)
        made.bootstrap()
        made.deploy(made.changed(**CHANGES, api__top_k=BEFORE))
        yield made
    finally:
        control.stop(folder / "aws")


def alias(system: Deployed) -> tuple[str, dict[str, float]]:
    function = system.outputs(API)["PredictFunctionName"]
    found = system.root.client("lambda").get_alias(FunctionName=function, Name="live")
    return found["FunctionVersion"], found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def deployments(system: Deployed) -> list[dict[str, Any]]:
    """Newest first."""
    client = system.root.client("codedeploy")
    return [
        client.get_deployment(deploymentId=name)["deploymentInfo"] for name in client.list_deployments()["deployments"]
    ]


def by_the_new_one(told: Told) -> bool:
    return len(json.loads(told.text)["predictions"]) == AFTER


def test_a_changed_function_gets_its_share_and_then_every_call(system):
    with Load(system) as load:
        load.until(20)
        system.deploy(system.changed(**CHANGES, api__top_k=AFTER), stack=API)
        ended = time.monotonic()
        load.until(20)
    during = [one for one in load.answers if one.began < ended]
    after = load.between(ended)
    assert [one for one in load.answers if one.failed] == []
    first = next(index for index, one in enumerate(during) if by_the_new_one(one))
    last = max(index for index, one in enumerate(during) if not by_the_new_one(one))
    split = during[first : last + 1]
    share = sum(map(by_the_new_one, split)) / len(split)
    print(f"{len(split)} calls were split, {share:.0%} went to the new version; {len(after)} after")
    expected = PERCENT / 100
    # As many as the machine answers; four standard deviations of so many draws.
    assert len(split) >= 20
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(split))
    assert all(map(by_the_new_one, after))
    (deployment,) = deployments(system)
    assert (deployment["status"], deployment["creator"]) == ("Succeeded", "CloudFormation")


def broken(folder: Path) -> Path:
    """A template whose predict function has no handler."""
    template = folder / f"{API}.template.json"
    body = json.loads(template.read_text())
    functions = [one["Properties"] for one in body["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    (predict,) = [one for one in functions if "ENDPOINT_NAME" in json.dumps(one)]
    predict["Handler"] = "nowhere.handle"
    template.write_text(json.dumps(body))
    return folder


def test_a_broken_function_is_taken_back_by_its_alarm(system):
    before = alias(system)
    with Load(system) as load:
        load.until(20)
        began = time.monotonic()
        with pytest.raises(cdk.CdkError):
            system.deploy(broken(system.changed(**CHANGES, api__top_k=3)), stack=API)
        ended = time.monotonic()
        load.until(30)
    failed = [one for one in load.between(began, ended) if one.failed]
    print(f"{len(failed)} of {len(load.between(began, ended))} calls failed meanwhile")
    assert failed
    assert [one for one in load.between(ended + 1) if one.failed] == []
    assert alias(system) == before
    assert system.stack_status(API) == "UPDATE_ROLLBACK_COMPLETE"
    events = system.root.client("cloudformation").describe_stack_events(StackName=API)["StackEvents"]
    reason = next(one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "UPDATE_FAILED")
    assert "One or more alarms have been activated" in reason
    rollback, stopped = deployments(system)[:2]
    assert (stopped["status"], rollback["creator"]) == ("Stopped", "codeDeployRollback")


def test_the_trail_names_who_deployed_and_what_was_read(system):
    bucket = next(name for kind, name in system.resources_and_types(OPERATIONS).values() if kind == "AWS::S3::Bucket")
    s3 = system.root.client("s3")
    s3.put_object(Bucket=system.bucket, Key="dataset/on-record", Body=b"x")
    for _ in range(100):
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="AWSLogs/").get("Contents", [])]
        found = [record for key in keys if "/CloudTrail/" in key for record in records(s3, bucket, key)]
        written = [one["requestParameters"]["key"] for one in found if one["eventName"] == "PutObject"]
        if "dataset/on-record" in written:
            break
        time.sleep(0.2)
    deployed = next(one for one in found if one["eventName"] == "ExecuteChangeSet")
    assert "cdk-" in deployed["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"]
    assert "dataset/on-record" in written
    status = system.root.client("cloudtrail").get_trail_status(Name="whippet-local-trail")
    assert "LatestDeliveryError" not in status


def records(s3: Any, bucket: str, key: str) -> list[dict[str, Any]]:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    found = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    return list(found["Records"])
