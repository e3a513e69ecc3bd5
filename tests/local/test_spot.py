"""Spot capacity of instances: the notice, what comes after it, and what a request allows."""

import json
import shutil
import time

import pytest
from botocore.exceptions import ClientError

from local import cli
from local.ec2.spot import Spot
from local.sandbox.turns import Turns
from tests.embedded import fresh
from tests.local.instances import Box

STOPPING = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}


def spot(embedded, **options):
    market = {"MarketType": "spot", **({"SpotOptions": options} if options else {})}
    return Box(embedded, InstanceMarketOptions=market)


def interrupt(embedded, name):
    return cli.main(["interrupt", name, "--state", str(embedded.running.home.folder)])


@pytest.mark.xdist_group("tests.local.test_machines")
@pytest.mark.skipif(not shutil.which("curl"), reason="the machine asks for its metadata by curl, which is not here")
def test_an_instance_reads_its_notice_and_one_that_is_not_spot_gets_none(embedded, capsys):
    box, other = spot(embedded, **STOPPING), Box(embedded)
    address = "http://169.254.169.254/latest/meta-data"
    assert box.said(f"curl -s {address}/instance-life-cycle") == "spot"
    assert box.described()["InstanceLifecycle"] == "spot"
    assert box.described()["SpotInstanceRequestId"].startswith("sir-")
    assert box.said(f"curl -s -o /dev/null -w '%{{http_code}}' {address}/spot/instance-action") == "404"
    assert interrupt(embedded, box.identity) == 0
    for _ in range(50):
        if (said := box.said(f"curl -s {address}/spot/instance-action")).startswith("{"):
            break
        time.sleep(0.1)
    notice = json.loads(said)
    assert notice["action"] == "stop"
    ahead = time.mktime(time.strptime(notice["time"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert 100 < ahead <= 120
    other.wait("running")
    assert interrupt(embedded, other.identity) == 2
    assert f"{other.identity} is no spot instance" in capsys.readouterr().err
    assert interrupt(embedded, "i-nobody") == 2
    for one in (box, other):
        one.terminate()


@pytest.mark.slow
@pytest.mark.xdist_group("scaling")
def test_a_persistent_request_is_stopped_and_has_its_capacity_back(fast):
    box = spot(fast, **STOPPING)
    began = box.wait("running")["LaunchTime"]
    interrupt(fast, box.identity)
    assert box.wait("stopped")["StateReason"]["Code"] == "Server.SpotInstanceShutdown"
    with pytest.raises(ClientError, match="IncorrectSpotRequestState"):
        fast.client("ec2").start_instances(InstanceIds=[box.identity])
    assert box.wait("running")["LaunchTime"] >= began
    fast.client("ec2").stop_instances(InstanceIds=[box.identity])
    box.wait("stopped")
    fast.client("ec2").start_instances(InstanceIds=[box.identity])
    box.wait("running")
    box.terminate()


@pytest.mark.xdist_group("scaling")
def test_a_one_time_request_ends_and_cannot_be_stopped(fast):
    box = spot(fast)
    box.wait("running")
    with pytest.raises(ClientError, match="UnsupportedOperation.*one-time Spot Instance request"):
        fast.client("ec2").stop_instances(InstanceIds=[box.identity])
    interrupt(fast, box.identity)
    assert box.wait("terminated")["StateReason"]["Code"] == "Server.SpotInstanceTermination"


@pytest.mark.xdist_group("tests.local.test_machines")
def test_a_launch_template_asks_for_spot_capacity_as_well(embedded):
    market = {"MarketType": "spot", "SpotOptions": STOPPING}
    template = {
        "Resources": {
            "Template": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {
                    "LaunchTemplateData": {"ImageId": "ami-0123456789abcdef0", "InstanceMarketOptions": market}
                },
            },
            "Instance": {
                "Type": "AWS::EC2::Instance",
                "Properties": {
                    "InstanceType": "m5.large",
                    "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": "1"},
                },
            },
        }
    }
    stack, client = fresh("stack"), embedded.client("cloudformation")
    client.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    (identity,) = [
        one["PhysicalResourceId"]
        for one in client.list_stack_resources(StackName=stack)["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::EC2::Instance"
    ]
    (found,) = embedded.client("ec2").describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"]
    assert found["InstanceLifecycle"] == "spot"
    client.delete_stack(StackName=stack)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "stop"}, "needs a persistent Spot request"),
        ({"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "hibernate"}, "Hibernation"),
    ],
)
def test_what_a_request_cannot_ask_for(options, sentence):
    params = {f"InstanceMarketOptions.SpotOptions.{name}": value for name, value in options.items()}
    with pytest.raises(ValueError, match=sentence):
        Spot.of({"InstanceMarketOptions.MarketType": "spot", **params})
    assert Spot.of(params) is None


def test_work_is_done_in_the_order_in_which_it_was_asked_for():
    turns, done = Turns("test"), []

    def work(number):
        def one():
            if number % 7 == 3:
                raise RuntimeError(number)
            done.append(number)

        return one

    for number in range(200):
        turns.add(work(number))
    turns.add(lambda: done.append("end"))
    for _ in range(1000):
        if "end" in done:
            break
        time.sleep(0.005)
    assert done == [*(number for number in range(200) if number % 7 != 3), "end"]
