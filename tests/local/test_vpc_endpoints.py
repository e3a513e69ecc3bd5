"""VPC endpoints by the API and by templates: what is kept of them, what is refused, and what goes with them."""

import json

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.embedded import fresh, statement
from tests.local.networks import Vpc, anybody

pytestmark = pytest.mark.xdist_group(__name__)
KMS = "com.amazonaws.us-east-1.kms"


@pytest.fixture(scope="module")
def vpc(embedded):
    return Vpc(embedded)


def described(embedded, identity):
    (found,) = embedded.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"]
    return found


def refusal(embedded, vpc, **more):
    with pytest.raises(ClientError) as error:
        embedded.client("ec2").create_vpc_endpoint(VpcId=vpc.identity, ServiceName=KMS, **more)
    return error.value.response["Error"]


# --- by the API --------------------------------------------------------------------------------------------------


def test_endpoint_is_described_with_all_that_decides(embedded, vpc):
    identity = vpc.interface("monitoring", anybody("cloudwatch:*", "*"))
    found = described(embedded, identity)
    assert found["PrivateDnsEnabled"] is True
    assert len(found["Groups"]) == len(found["NetworkInterfaceIds"]) == 1
    assert json.loads(found["PolicyDocument"])["Statement"][0]["Action"] == "cloudwatch:*"
    ec2 = embedded.client("ec2")
    (made,) = ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert made["PrivateIpAddress"].startswith("10.7.1.")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[identity])
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])["NetworkInterfaces"] == []


def test_endpoint_without_a_policy_lets_everybody_do_everything(embedded, vpc):
    (said,) = json.loads(described(embedded, vpc.gateway())["PolicyDocument"])["Statement"]
    assert (said["Principal"], said["Action"], said["Resource"]) == ("*", "*", "*")


def test_endpoint_changes_in_place(embedded, vpc):
    ec2, other, group = embedded.client("ec2"), vpc.add_subnet("10.7.20.0/24"), vpc.add_group()
    identity = vpc.interface("events")
    (before,) = described(embedded, identity)["Groups"]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=identity,
        AddSubnetIds=[other],
        RemoveSubnetIds=[vpc.subnet],
        AddSecurityGroupIds=[group],
        RemoveSecurityGroupIds=[before["GroupId"]],
        PrivateDnsEnabled=False,
    )
    found = described(embedded, identity)
    assert [one["GroupId"] for one in found["Groups"]] == [group]
    assert (found["SubnetIds"], found["PrivateDnsEnabled"]) == ([other], False)
    (made,) = ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert made["SubnetId"] == other


def test_one_endpoint_alone_takes_a_services_name(embedded, vpc):
    vpc.interface("kms")
    said = refusal(embedded, vpc, VpcEndpointType="Interface", SubnetIds=[vpc.subnet])
    assert f"already a conflicting DNS domain for {KMS}" in said["Message"]


def test_private_names_need_a_vpc_with_names(embedded):
    nameless = Vpc(embedded)
    nameless.ec2.modify_vpc_attribute(VpcId=nameless.identity, EnableDnsHostnames={"Value": False})
    said = refusal(embedded, nameless, VpcEndpointType="Interface", SubnetIds=[nameless.subnet])
    assert "enableDnsHostnames" in said["Message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"VpcEndpointType": "GatewayLoadBalancer"}, "VpcEndpointType GatewayLoadBalancer is not available"),
        ({"VpcEndpointType": "Interface", "IpAddressType": "dualstack"}, "IpAddressType dualstack is not available"),
        ({"VpcEndpointType": "Interface", "SubnetIds": ["subnet-nowhere"]}, "subnet-nowhere does not exist in vpc-"),
        ({"VpcEndpointType": "Interface", "SecurityGroupIds": ["sg-nowhere"]}, "sg-nowhere does not exist in vpc-"),
        ({"RouteTableIds": ["rtb-nowhere"]}, "rtb-nowhere does not exist in vpc-"),
        ({"PolicyDocument": "{"}, "The policy document is no JSON"),
    ],
)
def test_what_cannot_be_is_refused_by_name(embedded, vpc, more, said):
    assert said in refusal(embedded, vpc, **more)["Message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"LogFormat": "${srcaddr}"}, "LogFormat"),
        ({"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::bucket"}, "LogDestinationType s3"),
    ],
)
def test_flow_log_that_nobody_would_write_is_refused_by_name(embedded, vpc, more, said):
    with pytest.raises(ClientError, match=f"A flow log with {said} is not available here"):
        embedded.client("ec2").create_flow_logs(
            ResourceIds=[vpc.identity], ResourceType="VPC", TrafficType="ALL", **more
        )


def test_acl_keeps_the_ports_of_its_entries(embedded, vpc):
    ec2 = embedded.client("ec2")
    acl = ec2.create_network_acl(VpcId=vpc.identity)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 7, "Protocol": "6", "RuleAction": "allow", "Egress": True}
    ec2.create_network_acl_entry(**entry, CidrBlock="0.0.0.0/0", PortRange={"From": 443, "To": 443})
    found = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    assert [one["PortRange"] for one in found if one["RuleNumber"] == 7] == [{"From": 443, "To": 443}]


# --- by a template -----------------------------------------------------------------------------------------------


def template(**properties):
    return json.dumps(
        {
            "Resources": {
                "Vpc": {
                    "Type": "AWS::EC2::VPC",
                    "Properties": {
                        "CidrBlock": "10.8.0.0/16",
                        "EnableDnsHostnames": True,
                        "EnableDnsSupport": True,
                    },
                },
                "Subnet": {
                    "Type": "AWS::EC2::Subnet",
                    "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.8.1.0/24"},
                },
                "Group": {
                    "Type": "AWS::EC2::SecurityGroup",
                    "Properties": {"GroupDescription": "x", "VpcId": {"Ref": "Vpc"}},
                },
                "Endpoint": {
                    "Type": "AWS::EC2::VPCEndpoint",
                    "Properties": {
                        "VpcId": {"Ref": "Vpc"},
                        "ServiceName": KMS,
                        "VpcEndpointType": "Interface",
                        "PrivateDnsEnabled": True,
                        "SubnetIds": [{"Ref": "Subnet"}],
                        "SecurityGroupIds": [{"Ref": "Group"}],
                        **properties,
                    },
                },
            },
            "Outputs": {
                "Id": {"Value": {"Ref": "Endpoint"}},
                "Interface": {"Value": {"Fn::Select": [0, {"Fn::GetAtt": ["Endpoint", "NetworkInterfaceIds"]}]}},
            },
        }
    )


def settled(client, verb, stack):
    client.get_waiter(f"stack_{verb}_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def test_endpoint_of_a_template_lives_as_its_stack_says(embedded):
    client, stack = embedded.client("cloudformation"), fresh("endpoint")
    first = {"Statement": [anybody("kms:Decrypt", "*")]}
    client.create_stack(StackName=stack, TemplateBody=template(PolicyDocument=first, Tags=[{"Key": "a", "Value": "b"}]))
    settled(client, "create", stack)
    outputs = {
        one["OutputKey"]: one["OutputValue"] for one in client.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    }
    found = described(embedded, outputs["Id"])
    assert json.loads(found["PolicyDocument"]) == first
    assert {"Key": "a", "Value": "b"} in found["Tags"]
    assert found["NetworkInterfaceIds"] == [outputs["Interface"]]
    client.update_stack(StackName=stack, TemplateBody=template(PrivateDnsEnabled=False))
    settled(client, "update", stack)
    found = described(embedded, outputs["Id"])
    assert json.loads(found["PolicyDocument"])["Statement"][0]["Action"] == "*"
    assert found["PrivateDnsEnabled"] is False
    client.delete_stack(StackName=stack)
    settled(client, "delete", stack)
    assert embedded.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[outputs["Id"]])["VpcEndpoints"] == []


def failure(embedded, body, keys=None):
    client, stack = embedded.client("cloudformation", keys), fresh("endpoint")
    client.create_stack(StackName=stack, TemplateBody=body, OnFailure="DELETE")
    with pytest.raises(WaiterError):
        settled(embedded.client("cloudformation"), "create", stack)
    events = embedded.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events)


@pytest.mark.slow
def test_property_that_endpoints_have_not_is_refused_by_name(embedded):
    assert "AWS::EC2::VPCEndpoint has no property Colour" in failure(embedded, template(Colour="blue"))


@pytest.mark.slow
def test_who_may_not_make_an_endpoint_does_not_by_a_template(embedded):
    allowed = statement(["cloudformation:*", "ec2:*"], "*")
    keys = embedded.acting(allowed, statement("ec2:CreateVpcEndpoint", "arn:aws:ec2:*:*:subnet/*", "Deny"))
    assert "is not authorized to perform: ec2:CreateVpcEndpoint" in failure(embedded, template(), keys)


# --- interfaces by what is asked for -----------------------------------------------------------------------------


def interfaces(embedded, **filters):
    asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    found = embedded.client("ec2").describe_network_interfaces(Filters=asked)["NetworkInterfaces"]
    return {one["NetworkInterfaceId"] for one in found}


def test_interfaces_are_listed_by_where_they_are(embedded, vpc):
    other = Vpc(embedded)
    (ours,) = described(embedded, vpc.interface("logs"))["NetworkInterfaceIds"]
    (theirs,) = described(embedded, other.interface("logs"))["NetworkInterfaceIds"]
    assert theirs not in interfaces(embedded, vpc_id=vpc.identity) >= {ours}
    assert interfaces(embedded, vpc_id=other.identity) == interfaces(embedded, subnet_id=other.subnet) == {theirs}
    assert interfaces(embedded, vpc_id=other.identity, interface_type="vpc_endpoint") == {theirs}
    assert interfaces(embedded, vpc_id=other.identity, status="available") == set()
    assert interfaces(embedded, vpc_id=vpc.identity, description="VPC Endpoint*") >= {ours}
    with pytest.raises(ClientError, match="The filter 'colour' is invalid"):
        interfaces(embedded, colour="red")
