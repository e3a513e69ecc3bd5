"""A VPC with one isolated subnet a zone, cut so that a zone more changes no other."""

import ipaddress

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.constructs.findings import acknowledge

# A subnet is a sixteenth of the VPC: six zones have room, and the last sixteenth is spare.
SUBNET_BITS = 4


class VirtualNetwork(ec2.Vpc):
    """No NAT gateway: 33 a month and zone, and nothing inside has to reach the internet."""

    def __init__(self, scope: Construct, id: str, *, zones: list[str], cidr: str) -> None:
        blocks = list(ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=SUBNET_BITS))
        super().__init__(
            scope,
            id,
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=zones,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=blocks[0].prefixlen
                )
            ],
            nat_gateways=0,
            # The switch brings a function that may rewrite security groups. Nothing uses the default group, which
            # admits its own members only.
            restrict_default_security_group=False,
        )
        self.spare_block = str(blocks[-1])
        self.cidr = cidr
        acknowledge(
            self,
            "CloudFormation-Validate::W3010",
            "The stage file names the zones: synthesis asks no account, and some zones lack instance types",
        )
