"""One subnet with a way to the internet, for a box that is called by nobody."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.constructs.findings import acknowledge


class PublicSubnet(ec2.PublicSubnet):
    """Gives no address by itself: whoever is to have one asks for it. Its S3 is the public one, free within the region,
    since the gateway's policy would refuse the public data sets that a box is there to fetch."""

    def __init__(self, scope: Construct, id: str, *, vpc: ec2.Vpc, zone: str, cidr: str) -> None:
        super().__init__(
            scope,
            id,
            vpc_id=vpc.vpc_id,
            availability_zone=zone,
            cidr_block=cidr,
            map_public_ip_on_launch=False,
        )
        gateway = ec2.CfnInternetGateway(self, "Gateway")
        attachment = ec2.CfnVPCGatewayAttachment(self, "Attachment", vpc_id=vpc.vpc_id, internet_gateway_id=gateway.ref)
        self.add_default_internet_route(gateway.ref, attachment)
        acknowledge(self, "CloudFormation-Validate::W3010", "The zone is the first that the stage file names")
