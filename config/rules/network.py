"""Zones, addresses and what can be reached from inside."""

import ipaddress
from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.network import Network
from config.sections.stage import Stage

# AWS takes a VPC of /16 to /28; a sixteenth of it, at least /28 too, is one subnet.
LARGEST, SMALLEST = 16, 24
PRIVATE = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


@rule("stage", "network")
def zones_are_distinct_and_of_the_region(stage: Stage, network: Network) -> Iterator[Finding]:
    strangers = [zone for zone in network.zones if zone[:-1] != stage.region]
    if strangers:
        message = (
            f"{', '.join(strangers)} does not belong to stage.region; name zones such as "
            f'"{stage.region}a" and "{stage.region}b"'
        )
        yield Finding("network.zones", network.zones, f'{message} (stage.region = "{stage.region}")')
    if len(set(network.zones)) < len(network.zones):
        yield Finding("network.zones", network.zones, "names a zone twice; name two or more different ones")


@rule("network")
def addresses_are_private_and_enough(network: Network) -> Iterator[Finding]:
    try:
        block = ipaddress.IPv4Network(network.cidr)
    except ValueError:
        yield Finding("network.cidr", network.cidr, 'is no block of addresses; give one such as "10.42.0.0/16"')
        return
    if not any(block.subnet_of(private) for private in PRIVATE):
        message = "is not private; choose a block within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
        yield Finding("network.cidr", network.cidr, message)
    elif not LARGEST <= block.prefixlen <= SMALLEST:
        message = f"must be a /{LARGEST} to /{SMALLEST}: AWS takes no larger VPC, and each subnet is a sixteenth of it"
        yield Finding("network.cidr", network.cidr, message)


@rule("network")
def endpoints_are_named_once(network: Network) -> Iterator[Finding]:
    named = network.interface_endpoints
    if len(set(named)) < len(named):
        message = "names a service twice, and a VPC takes one endpoint a service; remove the second"
        yield Finding("network.interface_endpoints", named, message)
