"""The VPC: who can be called from where, and what leaves an isolated stage."""

import ipaddress
import json
import re

import pytest

from config import load_stage
from tests import synth
from tests.stacks import variants
from tests.stacks.test_permissions import plain

pytestmark = pytest.mark.xdist_group("synth")
ENDPOINTS = load_stage("dev")[0].network.interface_endpoints


@pytest.fixture(scope="module")
def isolated():
    return variants.rooms(network__isolated=True, network__zones=["us-east-1a", "us-east-1b", "us-east-1d"])["network"]


def network(stage="dev"):
    return synth.templates(stage)["network"]


def subnets(template):
    found = synth.resources(template, "AWS::EC2::Subnet")
    return {re.sub(r"Subnet[0-9A-F]{8}$|[0-9A-F]{8}$", "", name): body["Properties"] for name, body in found.items()}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_stage_has_a_vpc_with_a_subnet_in_each_zone_that_it_names(stage):
    config = load_stage(stage)[0].network
    found = subnets(network(stage))
    assert synth.only(network(stage), "AWS::EC2::VPC")["CidrBlock"] == config.cidr
    zones = [found[f"VpcIsolatedSubnet{number}"]["AvailabilityZone"] for number in range(1, len(config.zones) + 1)]
    assert zones == config.zones
    assert len(found) == len(config.zones) + (0 if config.isolated else 1)


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "192.168.8.0/22", "172.31.255.0/24"])
def test_subnets_lie_in_the_vpc_and_apart(cidr):
    zones = [f"us-east-1{letter}" for letter in "abcdef"]
    found = subnets(variants.rooms(network__cidr=cidr, network__zones=zones)["network"])
    blocks = [ipaddress.ip_network(subnet["CidrBlock"]) for subnet in found.values()]
    assert len(blocks) == 7
    assert all(block.subnet_of(ipaddress.ip_network(cidr)) for block in blocks)
    assert not any(one.overlaps(other) for one in blocks for other in blocks if one is not other)


def test_a_zone_more_moves_no_subnet_that_is_there():
    more = subnets(variants.rooms(network__zones=["us-east-1a", "us-east-1b", "us-east-1c"])["network"])
    for name, subnet in subnets(network()).items():
        assert more[name]["CidrBlock"] == subnet["CidrBlock"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_no_subnet_gives_a_public_address_by_itself(stage):
    for name, subnet in subnets(network(stage)).items():
        assert subnet["MapPublicIpOnLaunch"] is False, name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_only_the_public_subnet_has_a_way_to_the_internet(stage):
    (route,) = synth.resources(network(stage), "AWS::EC2::Route").values()
    assert route["Properties"]["RouteTableId"]["Ref"].startswith("PublicSubnetRouteTable")
    assert route["Properties"]["DestinationCidrBlock"] == "0.0.0.0/0"


def test_isolated_stage_has_no_way_to_the_internet(isolated):
    kinds = {body["Type"] for body in isolated["Resources"].values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"}
    assert set(subnets(isolated)) == {f"VpcIsolatedSubnet{number}" for number in (1, 2, 3)}


def test_nothing_is_billed_by_the_hour_unless_isolated():
    for stage in synth.STAGES:
        kinds = {body["Properties"]["VpcEndpointType"] for body in endpoints(network(stage)).values()}
        assert kinds == {"Gateway"}
        assert not synth.resources(network(stage), "AWS::EC2::NatGateway")


def endpoints(template):
    return synth.resources(template, "AWS::EC2::VPCEndpoint")


def services(template):
    names = [plain(body["Properties"]["ServiceName"]) for body in endpoints(template).values()]
    return {name.removeprefix("com.amazonaws.us-east-1.") for name in names}


def test_isolated_stage_reaches_the_services_that_its_file_names(isolated):
    assert services(isolated) == {*ENDPOINTS, "s3"}


def test_interface_endpoints_stand_in_every_zone_under_their_public_names(isolated):
    for body in endpoints(isolated).values():
        if body["Properties"]["VpcEndpointType"] == "Interface":
            assert len(body["Properties"]["SubnetIds"]) == 3
            assert body["Properties"]["PrivateDnsEnabled"] is True


def test_interface_endpoints_admit_https_from_within_and_nothing_else(isolated):
    (group,) = synth.resources(isolated, "AWS::EC2::SecurityGroup").values()
    (rule,) = group["Properties"]["SecurityGroupIngress"]
    assert (rule["CidrIp"], rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("10.42.0.0/16", "tcp", 443, 443)
    (name,) = synth.resources(isolated, "AWS::EC2::SecurityGroup")
    for body in endpoints(isolated).values():
        if body["Properties"]["VpcEndpointType"] == "Interface":
            assert body["Properties"]["SecurityGroupIds"] == [{"Fn::GetAtt": [name, "GroupId"]}]


def test_interface_endpoints_serve_this_account_alone(isolated):
    for body in endpoints(isolated).values():
        if body["Properties"]["VpcEndpointType"] == "Interface":
            (statement,) = body["Properties"]["PolicyDocument"]["Statement"]
            assert plain(statement["Condition"]) == {"StringEquals": {"aws:PrincipalAccount": "ACCOUNT"}}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_the_way_to_s3_leads_from_the_isolated_subnets_only(stage):
    (gateway,) = endpoints(network(stage)).values()
    tables = {table["Ref"] for table in gateway["Properties"]["RouteTableIds"]}
    isolated = [name for name in synth.resources(network(stage), "AWS::EC2::RouteTable") if "Isolated" in name]
    assert tables == set(isolated)


@pytest.mark.parametrize("stage", synth.STAGES)
def test_all_traffic_is_recorded(stage):
    template = network(stage)
    record = synth.only(template, "AWS::EC2::FlowLog")
    (vpc,) = synth.resources(template, "AWS::EC2::VPC")
    (log,) = synth.resources(template, "AWS::Logs::LogGroup")
    (role,) = synth.resources(template, "AWS::IAM::Role")
    assert {key: record[key] for key in ("ResourceId", "ResourceType", "TrafficType", "LogDestinationType")} == {
        "ResourceId": {"Ref": vpc},
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs",
    }
    assert record["LogDestination"] == {"Fn::GetAtt": [log, "Arn"]}
    assert record["DeliverLogsPermissionArn"] == {"Fn::GetAtt": [role, "Arn"]}


@pytest.mark.parametrize("key", ["AWS::EC2::VPC", "AWS::EC2::Subnet"])
def test_what_others_take_is_exported_whether_or_not_they_do(key):
    template = network()
    exported = [output["Value"] for output in template["Outputs"].values() if "Export" in output]
    assert [name for name in synth.resources(template, key) if {"Ref": name} not in exported] == []


def test_nothing_stands_in_a_default_security_group():
    """Which admits its own members: nobody is one. The switch that empties it brings a function into every account."""
    for stage in synth.STAGES:
        for template in synth.templates(stage).values():
            assert "DefaultSecurityGroup" not in json.dumps(template)
