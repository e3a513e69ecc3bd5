"""AWS::EC2::FlowLog: made by whoever may pass its role, replaced when anything but its tags changes, gone with its stack."""

import json

import pytest

from tests.embedded import ALLOW_ALL, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)


@pytest.fixture(scope="module")
def stack(embedded):
    return FlowLogStack(embedded)


class FlowLogStack:
    """A VPC and its flow log, by a template of its own."""

    def __init__(self, embedded):
        self.cloudformation, self.ec2 = embedded.client("cloudformation"), embedded.client("ec2")
        self.writer = embedded.role(ALLOW_ALL, service="vpc-flow-logs")
        self.name = fresh("flow-log")

    def template(self, traffic="ALL", tag="one", **more):
        record = {
            "ResourceId": {"Ref": "Vpc"},
            "ResourceType": "VPC",
            "TrafficType": traffic,
            "LogDestination": "arn:aws:logs:us-east-1:000000000000:log-group:flow:*",
            "DeliverLogsPermissionArn": self.writer,
            "Tags": [{"Key": "kind", "Value": tag}],
            **more,
        }
        return json.dumps(
            {
                "Resources": {
                    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
                    "Record": {"Type": "AWS::EC2::FlowLog", "Properties": record},
                },
                "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["Record", "Id"]}}, "Vpc": {"Value": {"Ref": "Vpc"}}},
            }
        )

    def settle(self, waiter, name):
        self.cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 1})

    def create(self):
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=self.template())
        self.settle("stack_create_complete", self.name)
        return self.outputs()

    def update(self, **changes):
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=self.template(**changes))
        self.settle("stack_update_complete", self.name)
        return self.outputs()

    def outputs(self):
        (found,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def described(self, identity):
        return self.ec2.describe_flow_logs(FlowLogIds=[identity])["FlowLogs"]

    def failure(self, **changes):
        """Why a stack with such a flow log fails."""
        name = fresh("failing")
        self.cloudformation.create_stack(StackName=name, TemplateBody=self.template(**changes), OnFailure="DO_NOTHING")
        with pytest.raises(Exception, match="Waiter"):
            self.settle("stack_create_complete", name)
        events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


def test_flow_log_lives_as_its_stack_says(stack):
    made = stack.create()
    (record,) = stack.described(made["Id"])
    assert (record["ResourceId"], record["TrafficType"]) == (made["Vpc"], "ALL")
    assert {"Key": "kind", "Value": "one"} in record["Tags"]

    assert stack.update(tag="two")["Id"] == made["Id"]
    (record,) = stack.described(made["Id"])
    assert {"Key": "kind", "Value": "two"} in record["Tags"]

    other = stack.update(traffic="REJECT", tag="two")
    assert other["Id"] != made["Id"]
    assert stack.described(made["Id"]) == []

    stack.cloudformation.delete_stack(StackName=stack.name)
    stack.settle("stack_delete_complete", stack.name)
    assert stack.described(other["Id"]) == []


def test_a_property_that_ec2_has_not_is_refused_by_name(stack):
    assert "AWS::EC2::FlowLog has no property Trafic" in stack.failure(Trafic="ALL")


def test_a_value_that_ec2_refuses_is_refused(stack):
    assert "TrafficType is 'SOME', allowed are ACCEPT, REJECT, ALL" in stack.failure(traffic="SOME")


def test_flow_log_needs_leave_to_pass_its_role(stack, embedded):
    own = embedded.acting(
        statement(["cloudformation:*", "ec2:*"], "*"),
    )
    name = fresh("passing")
    client = embedded.client("cloudformation", own)
    client.create_stack(StackName=name, TemplateBody=stack.template(), OnFailure="DO_NOTHING")
    with pytest.raises(Exception, match="Waiter"):
        stack.settle("stack_create_complete", name)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
    assert "iam:PassRole" in reasons
    assert stack.writer in reasons
