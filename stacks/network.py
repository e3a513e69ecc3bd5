"""The VPC: always there, since it is free; the way in for jobs, endpoint and box where the stage is isolated."""

from aws_cdk import Environment, Stack
from constructs import Construct

from config.sections.network import Network
from stacks.constructs.flow_log import FlowLog
from stacks.constructs.placement import Placement
from stacks.constructs.private_endpoints import InterfaceEndpoints, S3Gateway
from stacks.constructs.public_subnet import PublicSubnet
from stacks.constructs.virtual_network import VirtualNetwork
from stacks.data import DataStack


class NetworkStack(Stack):
    """Whoever runs in it brings a security group of its own; the VPC's default group is nobody's."""

    def __init__(self, scope: Construct, id: str, *, config: Network, data: DataStack, env: Environment) -> None:
        self._zones = config.zones
        super().__init__(scope, id, env=env, description="The network that Whippet's box and isolated jobs live in")
        network = VirtualNetwork(self, "Vpc", zones=config.zones, cidr=config.cidr)
        self.vpc = network
        isolated = network.isolated_subnets
        FlowLog(self, "FlowLog", vpc=network, keep_days=config.flow_log_days)
        S3Gateway(self, "S3Gateway", vpc=network, bucket=data.bucket)
        self.public_subnet: PublicSubnet | None = None
        self.placement: Placement | None = None
        if config.isolated:
            InterfaceEndpoints(self, "Endpoints", vpc=network, services=config.interface_endpoints)
            self.placement = Placement(vpc=network, subnet_ids=[subnet.subnet_id for subnet in isolated])
        else:
            self.public_subnet = PublicSubnet(
                self, "PublicSubnet", vpc=network, zone=config.zones[0], cidr=network.spare_block
            )
        self.box_subnet_id = self.public_subnet.subnet_id if self.public_subnet else isolated[0].subnet_id
        # Exported whether or not somebody imports them now: an export that goes while another stack still holds it
        # fails the very deploy that would let go of it.
        for value in (network.vpc_id, *(subnet.subnet_id for subnet in isolated)):
            self.export_value(value)
        if self.public_subnet is not None:
            self.export_value(self.public_subnet.subnet_id)

    @property
    def availability_zones(self) -> list[str]:
        """The stage file's; CDK would ask the account otherwise."""
        return self._zones
