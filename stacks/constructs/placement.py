"""Where jobs, endpoints and the box of an isolated stage run."""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2


@dataclass(frozen=True)
class Placement:
    """Made by the network stack where the stage is isolated; whoever runs inside brings a security group of its own."""

    vpc: ec2.IVpc
    subnet_ids: list[str]
    """The isolated subnets, one a zone."""
