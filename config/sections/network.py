"""The network that a stage's box, and where it is isolated its jobs and endpoint, live in."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import LogDays, Section

Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[1-9][a-z]$")]
CidrBlock = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$")]
# What somebody inside may call; S3 has its free gateway.
InterfaceEndpoint = Literal[
    "sagemaker.api",
    "sagemaker.runtime",
    "ssm",
    "ssmmessages",
    "ec2messages",
    "sts",
    "kms",
    "logs",
    "monitoring",
    "ecr.api",
    "ecr.dkr",
]


class Network(Section):
    zones: Annotated[list[Zone], Field(min_length=2, max_length=6)]
    """The availability zones, two or more of the region, each with an isolated subnet; add new ones at the end."""
    cidr: CidrBlock
    """The private addresses of the VPC, as 10.42.0.0/16; another value makes another VPC."""
    isolated: bool
    """Whether jobs, endpoint and box run inside, without a way to the internet."""
    interface_endpoints: list[InterfaceEndpoint]
    """The services that can be called from inside while isolated; without effect otherwise."""
    flow_log_days: LogDays
    """Days for which the record of who talked to whom in the VPC is kept."""
