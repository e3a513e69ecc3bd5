"""The networks of one account and region as EC2 keeps them: records by their ids, in the API's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PrefixList:
    """A set of addresses under an id: AWS's own of a service by its name, a customer's by its entries."""

    name: str = ""
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """All that decides about a way."""

    vpcs: Records = field(default_factory=dict)
    subnets: Records = field(default_factory=dict)
    route_tables: Records = field(default_factory=dict)
    security_groups: Records = field(default_factory=dict)
    network_acls: Records = field(default_factory=dict)
    vpc_endpoints: Records = field(default_factory=dict)
    network_interfaces: Records = field(default_factory=dict)
    nat_gateways: Records = field(default_factory=dict)
    internet_gateways: Records = field(default_factory=dict)
    addresses: Records = field(default_factory=dict)
    prefix_lists: Mapping[str, PrefixList] = field(default_factory=dict)


@dataclass(frozen=True)
class Interface:
    """A network interface in a subnet, with the groups that guard it."""

    identity: str
    subnet: str
    groups: tuple[str, ...]
    address: str
    public_address: str = ""
    # Whether what no endpoint's private name takes goes over a network of AWS's own, as from notebook instances.
    direct_internet: bool = False
