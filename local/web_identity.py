"""AssumeRoleWithWebIdentity: the provider must be the account's, and the token really the provider's.

MiniStack asks the role's trust policy and believes whatever token it is shown. Here the signature is checked by the
provider's public keys, which its operator puts into a file, since this machine may have no way to the provider itself.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from local import joints

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
LEEWAY_SECONDS = 60


class InvalidToken(Exception):
    """Why a token is not believed, in a sentence."""


@dataclass(frozen=True)
class Token:
    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def install(keys: Path) -> None:
    joints.wrap("services.sts:_web_identity_trust_denied", Checks(keys).denied)


class Checks:
    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def denied(
        self, original: Callable[..., Foreign], role_arn: str, params: Mapping[str, Any], use_json: bool
    ) -> Foreign:
        """None where the role may be assumed, else the answer to its caller."""
        given = params.get("WebIdentityToken", "")
        try:
            self._check(read(given[0] if isinstance(given, list) else given), role_arn.split(":")[4])
        except InvalidToken as error:
            return joints.sts_error(400, "InvalidIdentityToken", str(error))
        return original(role_arn, params, use_json)

    def _check(self, token: Token, account: str) -> None:
        host = str(token.claims.get("iss", "")).removeprefix("https://").rstrip("/")
        provider = joints.identity_provider(account, f"arn:aws:iam::{account}:oidc-provider/{host}")
        if provider is None:
            raise InvalidToken(f"No OpenIDConnect provider found in your account for {token.claims.get('iss')}")
        if token.claims.get("aud") not in provider["ClientIDList"]:
            raise InvalidToken("Incorrect token audience")
        if not isinstance(token.claims.get("exp"), int) or token.claims["exp"] + LEEWAY_SECONDS < time.time():
            raise InvalidToken("Token expired: its exp lies in the past")
        self._check_signature(token, host)

    def _check_signature(self, token: Token, host: str) -> None:
        place = self._keys / f"{host.replace('/', '_')}.json"
        if not place.is_file():
            raise InvalidToken(f"Nothing tells {host}'s tokens from forged ones: put its public keys (JWKS) at {place}")
        keys = {key["kid"]: key for key in json.loads(place.read_text())["keys"] if key.get("kty") == "RSA"}
        key = keys.get(str(token.header.get("kid")))
        if key is None or token.header.get("alg") != "RS256":
            raise InvalidToken("Couldn't retrieve verification key from your identity provider")
        public = RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        try:
            public.verify(token.signature, token.signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise InvalidToken("The token's signature is not its provider's") from None


def read(text: object) -> Token:
    try:
        head, body, signature = str(text).split(".")
        found = Token(
            json.loads(_decoded(head)), json.loads(_decoded(body)), f"{head}.{body}".encode(), _decoded(signature)
        )
    except ValueError:
        raise InvalidToken("The ID Token provided is not a valid JWT") from None
    if not isinstance(found.header, dict) or not isinstance(found.claims, dict):
        raise InvalidToken("The ID Token provided is not a valid JWT")
    return found


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")
