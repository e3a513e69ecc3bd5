"""Fixtures for both functions: a certificate authority and a TLS server of our own."""

from collections.abc import Iterator

import pytest

from tests.lambda_src.certificates import Authority, make_authority
from tests.lambda_src.tls_server import TlsServer, running_server

HOST = "images.example.com"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[TlsServer]:
    with running_server(authority.server_context(HOST)) as running:
        yield running
