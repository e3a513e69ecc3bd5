"""Where a stage's API answers, and how a request for it is made right."""

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from ops.account import Account
from ops.errors import OperatorError

LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 35
Headers = dict[str, str]
Sign = Callable[[str, str, bytes, Mapping[str, str]], Headers]


@dataclass(frozen=True)
class Target:
    host: str
    connect: Callable[[], http.client.HTTPConnection]
    sign: Sign


def target_of(account: Account, url: str) -> Target:
    """On AWS over TLS; in the embedded AWS over the plain port on loopback that serves its APIs to browsers.

    Its requests are signed with the operator's credentials.
    """
    host, connect = _connection(account, url)
    credentials = account.credentials()

    def sign(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Headers:
        scheme = "https" if account.http_port is None else "http"
        request = AWSRequest(method=method, url=f"{scheme}://{host}{path}", data=body, headers=dict(headers))
        request.headers["Host"] = host
        # Frozen anew each time: temporary credentials are renewed while the page is open.
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", account.region).add_auth(request)
        return dict(request.headers.items())

    return Target(host, connect, sign)


def target_for(account: Account, url: str, auth: str, token: str | None) -> Target:
    """As this API wants to be asked: output Auth of its stack says iam, jwt or none."""
    if auth == "iam":
        return target_of(account, url)
    if auth == "jwt" and not token:
        raise OperatorError(
            'The API wants a token (api.auth = "jwt"): give one with --token, or in the variable WHIPPET_TOKEN.'
        )
    host, connect = _connection(account, url)
    shown = {"Authorization": f"Bearer {token}"} if auth == "jwt" else {}

    def head(_method: str, _path: str, _body: bytes, headers: Mapping[str, str]) -> Headers:
        return {"Host": host, **headers, **shown}

    return Target(host, connect, head)


def _connection(account: Account, url: str) -> tuple[str, Callable[[], http.client.HTTPConnection]]:
    parts: Any = urlsplit(url)
    port = account.http_port
    if port is None:
        host, context = str(parts.hostname), ssl.create_default_context()
        return host, lambda: http.client.HTTPSConnection(host, timeout=TIMEOUT_SECONDS, context=context)
    # Not every resolver knows names below localhost.
    api_id = str(parts.hostname).split(".", maxsplit=1)[0]
    host = f"{api_id}.execute-api.localhost:{port}"
    return host, lambda: http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)
