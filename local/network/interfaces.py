"""Network interfaces that a service of AWS makes in a customer's VPC, as the role that it works for, and takes away."""

from collections.abc import Sequence
from dataclasses import dataclass

from local import joints, joints_ec2
from local.authority import Credentials, KeyAuthority
from local.json_service import Authority, AwsError
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
# Its interfaces outlive a stop, as the notebook instances do.
NOTEBOOKS = "amazon-sagemaker-notebooks"
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


def plug_notebook(place: Scope, subnet: str, groups: Sequence[str], caller: Authority, name: str) -> str:
    """As SageMaker does for whoever makes a notebook instance: the id of an interface that stays as long as that."""
    with joints.scope(place.account, place.region):
        layout = joints_ec2.network_layout()
        _check(Placement((subnet,), tuple(groups)))
        guarded = tuple(groups) or (str(layout.vpcs[layout.subnets[subnet]["VpcId"]]["DefaultSecurityGroupId"]),)
        try:
            for action, resource in _notebook_needs(place, subnet, guarded):
                caller.require(action, resource)
        except AwsError as error:
            raise CannotPlug(error.message) from error
        return str(joints_ec2.make_interface(subnet, list(guarded), name, NOTEBOOKS)["NetworkInterfaceId"])


def _notebook_needs(place: Scope, subnet: str, groups: Sequence[str]) -> list[tuple[str, str]]:
    made_of = [("subnet", subnet), *(("security-group", group) for group in groups), ("network-interface", "*")]
    return [
        *((f"ec2:Describe{what}", "*") for what in ("SecurityGroups", "Subnets", "Vpcs")),
        *(
            ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{place.region}:{place.account}:{kind}/{one}")
            for kind, one in made_of
        ),
    ]


def standing(place: Scope, identity: str) -> Interface | None:
    """An interface as its record has it now."""
    with joints.scope(place.account, place.region):
        found = joints_ec2.network_layout().network_interfaces.get(identity)
    if found is None:
        return None
    groups = tuple(group["GroupId"] for group in found["Groups"])
    return Interface(identity, str(found["SubnetId"]), groups, str(found["PrivateIpAddress"]))


def unplug(place: Scope, identity: str) -> None:
    with joints.scope(place.account, place.region):
        joints_ec2.drop_interface(identity)


def forget() -> None:
    """What a stop or a kill left of them: nobody who had one runs yet."""
    joints_ec2.drop_interfaces_of({SAGEMAKER.requester, LAMBDA.requester})
