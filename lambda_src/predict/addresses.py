"""From a host's name to the addresses which may be connected to: publicly routable ones, and nothing else."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable

Resolver = Callable[[str, float], list[str]]

# IANA's special-purpose registries, and what Python's `is_global` lets through: relays that reach other networks
# (192.88.99.0/24), addresses which mean something local inside a cloud (192.0.0.192, 168.63.129.16), multicast.
_REFUSED_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# IPv6 starts from what is allotted for global unicast; mapped, compatible and translated IPv4 (64:ff9b::/96), unique
# local, link-local and multicast all lie outside of it. Inside, Teredo and 6to4 carry an IPv4 address along.
_GLOBAL_UNICAST_IPV6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Whether an address, as the resolver gave it, lies on the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED_IPV4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_UNICAST_IPV6:
        return False
    return not any(parsed in network for network in _REFUSED_IPV6)


def resolve(host: str, timeout_seconds: float) -> list[str]:
    """The host's addresses in the system's order of preference; OSError when there are none in time.

    In a thread of its own because getaddrinfo takes no timeout and a slow name server would use up the whole budget.
    """
    outcome: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, outcome), daemon=True).start()
    try:
        found = outcome.get(timeout=max(timeout_seconds, 0))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


def _look_up(host: str, outcome: "queue.SimpleQueue[list[str] | OSError]") -> None:
    try:
        # The dot at the end keeps the resolver from trying the name below a local search domain.
        entries = socket.getaddrinfo(f"{host}.", 443, type=socket.SOCK_STREAM)
    except OSError as error:
        outcome.put(error)
    except UnicodeError:
        outcome.put(OSError("the name cannot be looked up"))
    else:
        outcome.put(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
