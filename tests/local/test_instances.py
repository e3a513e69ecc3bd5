"""AWS::EC2::Instance: launched by a template, with its launch template, by whoever may do all of that."""

import json

import pytest

from tests.embedded import fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)
PARAMETER = "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id"
IAM = ["CAPABILITY_IAM"]
MAKER = statement(["cloudformation:*", "ec2:*", "iam:*InstanceProfile*", "iam:GetRole", "ssm:GetParameters"], "*")


class Stack:
    """An instance with its profile and launch template, in a stack of its own."""

    def __init__(self, embedded, keys=None):
        self.embedded, self.cloudformation = embedded, embedded.client("cloudformation", keys)
        self.ec2, self.role = embedded.client("ec2"), embedded.role(service="ec2")
        self.name = fresh("instance")

    def template(self, kind="m5.xlarge", image=f"resolve:ssm:{PARAMETER}", **more):
        data = {
            "ImageId": image,
            "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 123, "Encrypted": True}}],
        }
        version = {"LaunchTemplateId": {"Ref": "Launch"}, "Version": {"Fn::GetAtt": ["Launch", "LatestVersionNumber"]}}
        profile = {"Roles": [self.role.rsplit("/", 1)[-1]]}
        return json.dumps(
            {
                "Resources": {
                    "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": profile},
                    "Launch": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}},
                    "Box": {
                        "Type": "AWS::EC2::Instance",
                        "Properties": {"InstanceType": kind, "LaunchTemplate": version, **more},
                    },
                },
                "Outputs": {"Id": {"Value": {"Ref": "Box"}}},
            }
        )

    def wait(self, what):
        root = self.embedded.client("cloudformation")
        root.get_waiter(what).wait(StackName=self.name, WaiterConfig={"Delay": 1})

    def create(self, **changes):
        body = self.template(**changes)
        self.cloudformation.create_stack(
            StackName=self.name, TemplateBody=body, OnFailure="DO_NOTHING", Capabilities=IAM
        )
        self.wait("stack_create_complete")
        return self.instance()

    def update(self, **changes):
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=self.template(**changes), Capabilities=IAM)
        self.wait("stack_update_complete")
        return self.instance()

    def instance(self):
        (found,) = self.embedded.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        identity = found["Outputs"][0]["OutputValue"]
        return self.ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]

    def failure(self, **changes):
        with pytest.raises(Exception, match="Waiter"):
            self.create(**changes)
        events = self.embedded.client("cloudformation").describe_stack_events(StackName=self.name)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


def test_instance_lives_as_its_stack_says(embedded):
    stack = Stack(embedded)
    made = stack.create()
    ami = embedded.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    assert (made["ImageId"], made["InstanceType"], made["State"]["Name"]) == (ami, "m5.xlarge", "running")
    volume = made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    (disk,) = stack.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (disk["Size"], disk["Encrypted"]) == (123, True)

    other_type = stack.update(kind="c5.2xlarge")
    assert (other_type["InstanceId"], other_type["InstanceType"]) == (made["InstanceId"], "c5.2xlarge")

    pinned = stack.update(kind="c5.2xlarge", image="ami-0123456789abcdef0")
    assert pinned["InstanceId"] != made["InstanceId"]
    assert pinned["ImageId"] == "ami-0123456789abcdef0"

    stack.cloudformation.delete_stack(StackName=stack.name)
    stack.wait("stack_delete_complete")
    found = stack.ec2.describe_instances(InstanceIds=[pinned["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "terminated"


def test_unknown_parameter_fails_the_launch(embedded):
    assert "The parameter /aws/service/none of resolve:ssm:/aws/service/none does not exist" in Stack(embedded).failure(
        image="resolve:ssm:/aws/service/none"
    )


def test_a_property_that_ec2_has_not_is_refused_by_name(embedded):
    assert "AWS::EC2::Instance has no property InstanceTyp" in Stack(embedded).failure(InstanceTyp="m5.large")


def test_launching_needs_leave_to_pass_the_profiles_role(embedded):
    stack = Stack(embedded, embedded.acting(MAKER))
    reasons = stack.failure()
    assert "iam:PassRole" in reasons
    assert stack.role in reasons


def test_a_profile_whose_role_does_not_trust_ec2_is_refused(embedded):
    stack = Stack(embedded)
    stack.role = embedded.role(service="lambda")
    assert "does not let ec2.amazonaws.com assume it" in stack.failure()
