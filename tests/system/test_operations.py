"""The idle sweep and the deploy roles on the deployed system."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.local.listening_queue import Listened
from tests.local.test_web_identity import KEY, number, token
from tests.system.deployed import OPERATIONS, Deployed

pytestmark = pytest.mark.xdist_group("deployed")
HOST = "token.actions.githubusercontent.com"


def test_sweep_may_look_at_everything_that_it_looks_for(deployed):
    """Its role, its environment and its schedule's target are the deployed ones; a refusal would be a fault."""
    name = deployed.outputs(OPERATIONS)["IdleFunctionName"]
    said = json.loads(deployed.root.client("lambda").invoke(FunctionName=name)["Payload"].read())
    assert "errorMessage" not in said, said


def test_alarms_rest_while_nothing_is_wrong(deployed):
    found = deployed.root.client("cloudwatch").describe_alarms(AlarmNamePrefix=OPERATIONS)["MetricAlarms"]
    assert len(found) == 8
    assert [one["AlarmName"] for one in found if one["StateValue"] == "ALARM" and "Sweep" not in one["AlarmName"]] == []


def test_an_alarm_reaches_the_topic_under_its_key(deployed):
    cloudwatch, listened = deployed.root.client("cloudwatch"), Listened(deployed.root, deployed.news_topic)
    alarm = cloudwatch.describe_alarms(AlarmNamePrefix=OPERATIONS)["MetricAlarms"][0]
    try:
        for state in ("ALARM", alarm["StateValue"]):
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="test")
        heard = listened.heard()
    finally:
        listened.leave()
    assert alarm["AlarmName"] in [json.loads(one)["AlarmName"] for one in heard]


@pytest.fixture
def keys_of_github(deployed):
    public = KEY.public_key().public_numbers()
    keys = {"keys": [{"kty": "RSA", "kid": "one", "n": number(public.n), "e": number(public.e)}]}
    deployed.running.home.identity_keys.mkdir(exist_ok=True)
    (deployed.running.home.identity_keys / f"{HOST}.json").write_text(json.dumps(keys))


def assumed(deployed: Deployed, role: str, subject: str) -> dict:
    shown = token(iss=f"https://{HOST}", sub=subject, exp=int(time.time()) + 300)
    return deployed.root.client("sts").assume_role_with_web_identity(
        RoleArn=deployed.outputs(OPERATIONS)[role], RoleSessionName="workflow", WebIdentityToken=shown
    )


@pytest.mark.usefixtures("keys_of_github")
@pytest.mark.parametrize(
    ("role", "subject"),
    [("DeployRoleArn", "repo:owner/name:environment:local"), ("DiffRoleArn", "repo:owner/name:pull_request")],
)
def test_githubs_workflow_gets_its_role_by_its_token(deployed, role, subject):
    assert assumed(deployed, role, subject)["Credentials"]["SessionToken"]


@pytest.mark.usefixtures("keys_of_github")
@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("DeployRoleArn", "repo:owner/name:pull_request"),
        ("DeployRoleArn", "repo:owner/name:ref:refs/heads/main"),
        ("DeployRoleArn", "repo:owner/name:environment:localhost"),
        ("DeployRoleArn", "repo:stranger/name:environment:local"),
        ("DiffRoleArn", "repo:stranger/name:pull_request"),
    ],
)
def test_any_other_workflow_gets_none(deployed, role, subject):
    with pytest.raises(ClientError, match="Not authorized"):
        assumed(deployed, role, subject)
