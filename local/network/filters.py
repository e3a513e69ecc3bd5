"""Security groups and network ACLs: whether https is let through between two sides, and which of them it is not."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.network.layout import Layout

HTTPS = 443
# From these Linux takes the port of a connection: what is answered comes back there.
PORTS_BACK = (32768, 60999)
ANY_PROTOCOL, TCP = "-1", ("tcp", "6")
ANYWHERE = "0.0.0.0/0"
Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """The other side: an address in a VPC with its groups, or a service at public addresses."""

    name: str
    address: str = ""
    groups: tuple[str, ...] = ()
    service: str = ""

    def is_within(self, block: str) -> bool:
        """Which of AWS's public addresses a service has on a day, nobody can say: only all of them surely count."""
        network = ipaddress.ip_network(block, strict=False)
        if not self.address:
            return network.version == 4 and network.prefixlen == 0  # noqa: PLR2004 - IPv4
        return ipaddress.ip_address(self.address) in network


def groups_admit(layout: Layout, groups: Sequence[str], direction: str, peer: Peer) -> bool:
    """Whether one of the groups has a rule for it; `direction` is IpPermissions or IpPermissionsEgress."""
    found = (layout.security_groups.get(group) or {} for group in groups)
    return any(_rule_admits(layout, rule, peer) for group in found for rule in group.get(direction, ()))


def _rule_admits(layout: Layout, rule: Rule, peer: Peer) -> bool:
    protocol = str(rule.get("IpProtocol", ANY_PROTOCOL))
    if protocol != ANY_PROTOCOL and not (protocol in TCP and _holds(rule, HTTPS)):
        return False
    if any(pair.get("GroupId") in peer.groups for pair in rule.get("UserIdGroupPairs", ())):
        return True
    return any(peer.is_within(block) for block in _blocks(rule)) or any(
        _is_of(layout, one.get("PrefixListId", ""), peer) for one in rule.get("PrefixListIds", ())
    )


def _holds(rule: Rule, port: int) -> bool:
    first, last = int(rule.get("FromPort", -1)), int(rule.get("ToPort", -1))
    return first == -1 or first <= port <= last


def _blocks(rule: Rule) -> Iterator[str]:
    for one in rule.get("IpRanges", ()):
        yield one["CidrIp"]


def _is_of(layout: Layout, identity: str, peer: Peer) -> bool:
    found = layout.prefix_lists.get(identity)
    if found is None:
        return False
    return (bool(peer.service) and found.name == peer.service) or any(peer.is_within(block) for block in found.blocks)


def acl_refusal(layout: Layout, subnet: str, peer: Peer, *, serves: bool) -> str:
    """Which network ACL of the subnet stops it, "" where none does. Packets of both directions pass it.

    `serves` where the subnet holds what is asked, so that https comes in and answers go out.
    """
    acl = _acl_of(layout, subnet)
    if acl is None:
        return ""
    asked, answered = (HTTPS, HTTPS), PORTS_BACK
    outward, inward = (answered, asked) if serves else (asked, answered)
    for egress, ports, word in ((True, outward, "out to"), (False, inward, "in from")):
        if not _acl_admits(acl, egress, ports, peer):
            return f"network ACL {acl['NetworkAclId']} of {subnet} lets port {_shown(ports)} not {word} {peer.name}"
    return ""


def _shown(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _acl_of(layout: Layout, subnet: str) -> Rule | None:
    vpc = (layout.subnets.get(subnet) or {}).get("VpcId")
    own = [
        acl
        for acl in layout.network_acls.values()
        if any(one.get("SubnetId") == subnet for one in acl.get("Associations", ()))
    ]
    default = [acl for acl in layout.network_acls.values() if acl.get("VpcId") == vpc and acl.get("IsDefault")]
    return next(iter([*own, *default]), None)


def _acl_admits(acl: Rule, egress: bool, ports: tuple[int, int], peer: Peer) -> bool:
    """The first entry that is about it decides."""
    for entry in sorted(acl.get("Entries", ()), key=lambda one: int(one["RuleNumber"])):
        if _is_true(entry.get("Egress")) == egress and _is_about(entry, ports, peer):
            return str(entry["RuleAction"]) == "allow"
    return False


def _is_about(entry: Rule, ports: tuple[int, int], peer: Peer) -> bool:
    """A denial is about what it covers in part, an allowance about what it covers whole."""
    protocol, block = str(entry.get("Protocol", ANY_PROTOCOL)), entry.get("CidrBlock")
    if not block or not (protocol == ANY_PROTOCOL or protocol in TCP):
        return False
    allows, within = entry["RuleAction"] == "allow", peer.is_within(block)
    reached = entry.get("PortRange") or {}
    if protocol == ANY_PROTOCOL or not reached:
        return within
    first, last = int(reached["From"]), int(reached["To"])
    covered = first <= ports[0] and ports[1] <= last
    return within and (covered if allows else first <= ports[1] and ports[0] <= last)


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"
