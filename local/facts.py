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
