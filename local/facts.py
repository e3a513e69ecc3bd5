"""What the server's process and those who control it must agree on."""

from dataclasses import dataclass

ALREADY_RUNNING = 3
USER_ERROR = 2


@dataclass(frozen=True)
class Facts:
    """What a running server says about itself in server.json."""

    url: str
    http_url: str
    pid: int
    port: int
    http_port: int
    account: str
    region: str
    images: str | None
    clock: float = 1.0
    # Why isolated containers reach this machine's network all the same; None where they do not.
    not_isolated: str | None = None


def isolation(not_isolated: str | None) -> list[str]:
    """The sentence that people are told, where there is one."""
    if not_isolated is None:
        return []
    return [
        f"EnableNetworkIsolation is not enforced on this machine, which makes no network for a container "
        f"({not_isolated}): an isolated container gets no credentials, and reaches what this machine reaches."
    ]
