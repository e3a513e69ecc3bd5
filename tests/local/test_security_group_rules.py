"""Rules of security groups that stand by themselves in a template: a group that admits itself needs one."""

import json

import pytest

from tests.embedded import fresh

pytestmark = pytest.mark.xdist_group(__name__)
ITSELF = {"Fn::GetAtt": ["Group", "GroupId"]}


def template(**rule):
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.8.0.0/16"}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "jobs", "VpcId": {"Ref": "Vpc"}},
        },
    }
    if rule:
        resources["Rule"] = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {"GroupId": ITSELF, **rule}}
    return json.dumps({"Resources": resources, "Outputs": {"Id": {"Value": ITSELF}}})


def deploy(embedded, verb, stack, body):
    cloudformation = embedded.client("cloudformation")
    getattr(cloudformation, f"{verb}_stack")(StackName=stack, TemplateBody=body)
    cloudformation.get_waiter(f"stack_{verb}_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return found["Outputs"][0]["OutputValue"]


def admitted(embedded, group):
    (found,) = embedded.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return found["IpPermissions"]


def test_a_group_admits_itself_then_others_then_nobody(embedded):
    stack = fresh("rules")
    group = deploy(
        embedded, "create", stack, template(IpProtocol="-1", SourceSecurityGroupId=ITSELF, Description="the same job")
    )
    (rule,) = admitted(embedded, group)
    (pair,) = rule["UserIdGroupPairs"]
    assert (rule["IpProtocol"], pair["GroupId"], pair["Description"]) == ("-1", group, "the same job")
    deploy(embedded, "update", stack, template(IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.8.0.0/16"))
    (rule,) = admitted(embedded, group)
    assert (rule["FromPort"], [one["CidrIp"] for one in rule["IpRanges"]]) == (443, ["10.8.0.0/16"])
    deploy(embedded, "update", stack, template())
    assert admitted(embedded, group) == []


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"IpProtocol": "-1"}, "names one peer"),
        ({"IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Colour": "blue"}, "no property Colour"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(embedded, rule, sentence):
    stack = fresh("rules")
    with pytest.raises(Exception, match="Waiter StackCreateComplete failed"):
        deploy(embedded, "create", stack, template(**rule))
    events = embedded.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    assert any(sentence in event.get("ResourceStatusReason", "") for event in events)
