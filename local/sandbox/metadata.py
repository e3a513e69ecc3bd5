"""The metadata service of one instance: IMDSv2, and v1 where the instance lets it. On a loopback port of its own."""

import http
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from local.authority import Credentials

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - where tokens are had
TOKEN_HEADER, TTL_HEADER = "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TOKEN_SECONDS = 21600
ROLE_PATH = "iam/security-credentials/"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class RoleKeys:
    """Temporary credentials of an instance's role, as the service shows them."""

    role: str
    role_arn: str
    profile_arn: str
    credentials: Credentials
    made: float
    expires: float


@dataclass(frozen=True)
class Options:
    """MetadataOptions of a launch."""

    enabled: bool = True
    tokens_required: bool = False
    tags: bool = False


class Described(Protocol):
    """The instance that the service speaks of."""

    def options(self) -> Options: ...

    def facts(self) -> dict[str, str]:
        """Paths below meta-data/ and what they say."""

    def identity_document(self) -> dict[str, Any]: ...

    def role_keys(self) -> RoleKeys | None: ...

    def user_data(self) -> bytes | None: ...


@dataclass
class Tokens:
    """Those that were given out, each with its end."""

    now: Callable[[], float] = time.monotonic
    _ends: dict[str, float] = field(default_factory=dict)

    def give(self, seconds: int) -> str:
        self._ends = {token: end for token, end in self._ends.items() if end > self.now()}
        token = secrets.token_urlsafe(42)
        self._ends[token] = self.now() + seconds
        return token

    def hold(self, token: str) -> bool:
        return self._ends.get(token, 0.0) > self.now()


class MetadataService:
    """Serves from `start` to `stop`, at the port that it had before if that is free: files name its address."""

    def __init__(self, of: Described, port: int = 0) -> None:
        handler = _handler(of, Tokens())
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError:
            self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True, name=f"metadata-{self.address}").start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(of: Described, tokens: Tokens) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "EC2ws", ""

        def do_PUT(self) -> None:
            if not of.options().enabled:
                return self._refuse(http.HTTPStatus.FORBIDDEN)
            if self.path != TOKEN_PATH:
                return self._refuse(http.HTTPStatus.NOT_FOUND)
            # What a proxy passes on comes from elsewhere than the instance.
            if self.headers.get("x-forwarded-for"):
                return self._refuse(http.HTTPStatus.FORBIDDEN)
            asked = self.headers.get(TTL_HEADER, "")
            if not asked.isdecimal() or not 1 <= int(asked) <= LONGEST_TOKEN_SECONDS:
                return self._refuse(http.HTTPStatus.BAD_REQUEST)
            return self._answer(tokens.give(int(asked)), {TTL_HEADER: asked})

        def do_GET(self) -> None:
            token = self.headers.get(TOKEN_HEADER)
            if not of.options().enabled:
                return self._refuse(http.HTTPStatus.FORBIDDEN)
            if (token is None and of.options().tokens_required) or (token is not None and not tokens.hold(token)):
                return self._refuse(http.HTTPStatus.UNAUTHORIZED)
            found = look(of, self.path.split("?", 1)[0])
            return self._refuse(http.HTTPStatus.NOT_FOUND) if found is None else self._answer(found, {})

        def _answer(self, text: str, headers: dict[str, str]) -> None:
            body = text.encode()
            self.send_response(http.HTTPStatus.OK)
            for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status: http.HTTPStatus) -> None:
            self.send_error(status)

        def log_message(self, format: str, *args: object) -> None:
            """The instance's own log is its own to write."""

    return Handler


def look(of: Described, path: str) -> str | None:
    """What stands at a path; None where nothing does."""
    version, _, rest = path.lstrip("/").partition("/")
    if version not in ("latest", "2021-07-15", "2024-04-11"):
        return "latest" if not version else None
    if rest.rstrip("/") == "user-data":
        found = of.user_data()
        return found.decode(errors="replace") if found is not None else None
    if rest == "dynamic/instance-identity/document":
        return json.dumps(of.identity_document(), indent=2)
    kind, _, name = rest.partition("/")
    if kind != "meta-data":
        return "dynamic\nmeta-data\nuser-data" if not kind else None
    facts = {**of.facts(), **_role_facts(of.role_keys(), name)}
    if name.rstrip("/") in facts:
        return facts[name.rstrip("/")]
    below = f"{name.rstrip('/')}/" if name else ""
    shown = [key.removeprefix(below) for key in facts if key.startswith(below)]
    names = {f"{head}/" if tail else head for head, tail, _ in (key.partition("/") for key in shown)}
    return "\n".join(sorted(names)) if names else None


def _role_facts(keys: RoleKeys | None, asked: str) -> dict[str, str]:
    if keys is None:
        return {}
    made = _time(keys.made)
    found = {
        "iam/info": json.dumps({"Code": "Success", "LastUpdated": made, "InstanceProfileArn": keys.profile_arn}),
        f"{ROLE_PATH}{keys.role}": json.dumps(
            {
                "Code": "Success",
                "LastUpdated": made,
                "Type": "AWS-HMAC",
                "AccessKeyId": keys.credentials.access_key,
                "SecretAccessKey": keys.credentials.secret_key,
                "Token": keys.credentials.token,
                "Expiration": _time(keys.expires),
            }
        ),
    }
    # With or without the slash it is the list of roles, of which an instance has one.
    return {**found, ROLE_PATH.rstrip("/"): keys.role} if asked.rstrip("/") == ROLE_PATH.rstrip("/") else found


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
