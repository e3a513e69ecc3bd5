"""A fetcher whose names lead to the local TLS server, under the rules of production in every other respect."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from lambda_src.predict.fetch import Fetcher
from tests.lambda_src.certificates import Authority
from tests.lambda_src.tls_server import TlsServer

PUBLIC_ADDRESS = "93.184.216.34"
MakeFetcher = Callable[..., Fetcher]


class Network:
    """Stands in for the internet: which addresses a name has, and where connections to them really go."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.addresses: dict[str, list[str]] = {}
        self.connected: list[tuple[str, int]] = []
        self.resolved: list[str] = []
        self.dead: set[str] = set()

    def resolve(self, host: str, _timeout_seconds: float) -> list[str]:
        self.resolved.append(host)
        return self.addresses.get(host, [PUBLIC_ADDRESS])

    def connect(self, address: str, port: int, timeout_seconds: float) -> socket.socket:
        self.connected.append((address, port))
        if address in self.dead:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.port), timeout_seconds)


@pytest.fixture
def network(server: TlsServer) -> Network:
    return Network(server.port)


@pytest.fixture
def make_fetcher(network: Network, authority: Authority) -> MakeFetcher:
    def make(**changes: object) -> Fetcher:
        arguments: dict[str, Any] = {
            "timeout_seconds": 3.0,
            "max_bytes": 100_000,
            "make_tls": authority.trust,
            **changes,
        }
        return Fetcher(resolver=network.resolve, connector=network.connect, **arguments)

    return make
