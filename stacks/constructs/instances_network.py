"""Where an isolated stage runs its instances: its subnets, a security group of theirs, and leave to plug in."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.placement import Placement

# None of these knows a resource.
LOOKS = [
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
]


class InstancesNetwork(Construct):
    """Nobody calls into it; the way out is https, which leads to S3 and to the stage's own endpoints alone."""

    def __init__(self, scope: Construct, id: str, *, placement: Placement) -> None:
        super().__init__(scope, id)
        self._placement = placement
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=placement.vpc,
            description="Instances of the endpoint and of batches",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.HTTPS, "Models from S3, through its gateway")

    @property
    def vpc_config(self) -> sagemaker.CfnModel.VpcConfigProperty:
        return sagemaker.CfnModel.VpcConfigProperty(
            subnets=self._placement.subnet_ids, security_group_ids=[self.security_group.security_group_id]
        )

    @property
    def interfaces(self) -> str:
        return self._arn("network-interface", "*")

    def statements(self) -> list[iam.PolicyStatement]:
        """SageMaker plugs instances in as the role of their model."""
        ours = [
            *(self._arn("subnet", subnet) for subnet in self._placement.subnet_ids),
            self._arn("security-group", self.security_group.security_group_id),
        ]
        return [
            iam.PolicyStatement(sid="LookAtNetwork", actions=LOOKS, resources=["*"]),
            iam.PolicyStatement(
                sid="PlugIn", actions=["ec2:CreateNetworkInterface"], resources=[*ours, self.interfaces]
            ),
            iam.PolicyStatement(
                sid="HandOverAndUnplug",
                actions=[
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                ],
                resources=[self.interfaces],
            ),
        ]

    def wildcards(self) -> dict[str, str]:
        return {
            self.interfaces: "Interfaces have no name before they exist; the subnets and the security group that they "
            "may be made in are this stage's"
        }

    def _arn(self, kind: str, name: str) -> str:
        return Stack.of(self).format_arn(
            service="ec2", resource=kind, resource_name=name, arn_format=ArnFormat.SLASH_RESOURCE_NAME
        )
