"""Network interfaces that a service of AWS makes in a customer's VPC, as the role that it works for, and takes away."""

from collections.abc import Sequence
from dataclasses import dataclass

from local import joints, joints_ec2
from local.authority import Credentials, KeyAuthority
from local.json_service import AwsError
from local.network import origins
from local.network.layout import Interface
from local.network.origins import Origin
from local.records import Scope


class CannotPlug(Exception):
    """Why there is no interface in the VPC, in a sentence."""


@dataclass(frozen=True)
class Placement:
    """What a request says about a VPC."""

    subnets: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def of(cls, config: object) -> "Placement | None":
        """A VpcConfig; None where nothing is asked for."""
        if not isinstance(config, dict) or not (config.get("Subnets") or config.get("SubnetIds")):
            return None
        return cls(tuple(config.get("Subnets") or config["SubnetIds"]), tuple(config.get("SecurityGroupIds") or ()))


@dataclass(frozen=True)
class Service:
    """Who plugs in: its name as requester, and what its role must be allowed to."""

    requester: str
    looks: tuple[str, ...]
    hands_over: tuple[str, ...]


SAGEMAKER = Service(
    "amazon-sagemaker",
    (
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ),
    ("ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"),
)
LAMBDA = Service("awslambda", ("ec2:DescribeNetworkInterfaces",), ("ec2:DeleteNetworkInterface",))


@dataclass(frozen=True)
class Plugged:
    """The interfaces of one job, model's instance or function: one in each subnet, for AWS may take any of them."""

    place: Scope
    interfaces: tuple[Interface, ...]
    origin: Origin

    def why_stopped(self) -> str:
        """What the network stopped of what came from here, "" for nothing."""
        return "; ".join(self.origin.refusals)

    def unplug(self) -> None:
        with joints.scope(self.place.account, self.place.region):
            for one in self.interfaces:
                joints_ec2.drop_interface(one.identity)


# Functions of the same subnets and groups have the same interfaces, which stay when a process ends.
_shared: dict[tuple[Scope, Placement], tuple[Interface, ...]] = {}


def plug_function(place: Scope, placement: Placement, credentials: Credentials, name: str) -> None:
    """As Lambda does for the role of a function."""
    with joints.scope(place.account, place.region):
        _check(placement)
        _require(LAMBDA, place, placement, KeyAuthority(credentials.access_key, place.region))
        made = _shared.get((place, placement)) or tuple(
            _made(LAMBDA, subnet, placement.groups, "AWS Lambda VPC ENI") for subnet in placement.subnets
        )
        _shared[place, placement] = made
    origins.tie(credentials.access_key, Origin(place, name, origins.fixed(made)))


def plug(place: Scope, placement: Placement, credentials: Credentials, name: str) -> Plugged:
    """As SageMaker does, with the role's permissions; from here on requests of these credentials come from there."""
    with joints.scope(place.account, place.region):
        _check(placement)
        _require(SAGEMAKER, place, placement, KeyAuthority(credentials.access_key, place.region))
        made = tuple(_made(SAGEMAKER, subnet, placement.groups, name) for subnet in placement.subnets)
    origin = Origin(place, name, origins.fixed(made))
    origins.tie(credentials.access_key, origin)
    return Plugged(place, made, origin)


def _check(placement: Placement) -> None:
    layout = joints_ec2.network_layout()
    vpcs = set()
    for known, names in ((layout.subnets, placement.subnets), (layout.security_groups, placement.groups)):
        for name in names:
            if name not in known:
                raise CannotPlug(f"{name} does not exist")
            vpcs.add(known[name]["VpcId"])
    if len(vpcs) > 1:
        raise CannotPlug(f"its subnets and security groups are of several VPCs: {', '.join(sorted(vpcs))}")


def _require(service: Service, place: Scope, placement: Placement, role: KeyAuthority) -> None:
    def arn(kind: str, name: str) -> str:
        return f"arn:aws:ec2:{place.region}:{place.account}:{kind}/{name}"

    made_of = [arn("subnet", subnet) for subnet in placement.subnets]
    made_of += [arn("security-group", group) for group in placement.groups]
    interface = arn("network-interface", "*")
    asked: list[tuple[str, Sequence[str]]] = [
        *((action, ("*",)) for action in service.looks),
        ("ec2:CreateNetworkInterface", (*made_of, interface)),
        *((action, (interface,)) for action in service.hands_over),
    ]
    try:
        for action, resources in asked:
            for resource in resources:
                role.require(action, resource)
    except AwsError as error:
        raise CannotPlug(error.message) from error


def _made(service: Service, subnet: str, groups: tuple[str, ...], name: str) -> Interface:
    record = joints_ec2.make_interface(subnet, list(groups), name, service.requester)
    return Interface(record["NetworkInterfaceId"], subnet, groups, record["PrivateIpAddress"])


def forget() -> None:
    """What a stop or a kill left of them: nobody who had one runs yet."""
    joints_ec2.drop_interfaces_of({SAGEMAKER.requester, LAMBDA.requester})
