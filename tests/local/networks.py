"""A VPC for tests, without a way out until it is given one, and what is asked from inside it."""

import json

from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.jobs import ended, training, unpacked

KEYS = "import os,json; json.dump(dict(os.environ), open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/keys', 'w'))"

# What SageMaker does with the role of a job in a VPC.
PLUGS_IN = statement(
    [
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ],
    "*",
)


class Vpc:
    def __init__(self, embedded):
        self.embedded, self.ec2 = embedded, embedded.client("ec2")
        self.identity = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.identity, EnableDnsHostnames={"Value": True})
        self.subnet = self.add_subnet("10.7.1.0/24")
        (main,) = self.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.identity]}])["RouteTables"]
        self.table = main["RouteTableId"]
        self.group = self.add_group()
        self.endpoints = {}

    def add_subnet(self, block):
        return self.ec2.create_subnet(VpcId=self.identity, CidrBlock=block)["Subnet"]["SubnetId"]

    def add_group(self):
        """It lets everything out and nothing in."""
        return self.ec2.create_security_group(GroupName=fresh("group"), Description="x", VpcId=self.identity)["GroupId"]

    def let_nothing_out(self, group=None):
        self.ec2.revoke_security_group_egress(
            GroupId=group or self.group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        )

    def gateway(self, *statements, service="s3"):
        """To S3; without statements everybody may do everything through it."""
        policy = {"PolicyDocument": json.dumps({"Statement": list(statements)})} if statements else {}
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.identity, ServiceName=f"com.amazonaws.us-east-1.{service}", RouteTableIds=[self.table], **policy
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    def interface(self, service, *statements, block="10.7.0.0/16"):
        """An endpoint that admits https from a block."""
        group = self.add_group()
        if block:
            permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": block}]}
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        policy = {"PolicyDocument": json.dumps({"Statement": list(statements)})} if statements else {}
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.identity,
            ServiceName=f"com.amazonaws.us-east-1.{service}",
            VpcEndpointType="Interface",
            SubnetIds=[self.subnet],
            SecurityGroupIds=[group],
            **policy,
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    def internet(self):
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.identity)
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)

    @property
    def config(self):
        return {"Subnets": [self.subnet], "SecurityGroupIds": [self.group]}

    def job(self, program="pass", **more):
        """A training job inside, once it has ended."""
        return ended(self.embedded, training(self.embedded, program, VpcConfig=self.config, **more))

    def keys(self, role=None):
        """Those of somebody inside: a job's own, which it leaves in its model."""
        found = self.job(KEYS, role=role or self.embedded.role(ALLOW_ALL))
        assert found["TrainingJobStatus"] == "Completed", found
        seen = json.loads(unpacked(self.embedded, found["ModelArtifacts"]["S3ModelArtifacts"])["keys"])
        return {
            f"aws_{name}": seen[f"AWS_{name.upper()}"]
            for name in ("access_key_id", "secret_access_key", "session_token")
        }


def anybody(action, resource, effect="Allow", **more):
    """A statement of an endpoint's or a bucket's policy."""
    return {"Effect": effect, "Principal": "*", "Action": action, "Resource": resource, **more}
