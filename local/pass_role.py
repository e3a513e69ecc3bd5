"""iam:PassRole for calls of MiniStack's own services that hand a role on: MiniStack does not ask for it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from local import joints
from local.authority import KeyAuthority
from local.json_service import AwsError, HttpAnswer, error_answer

METHODS = ("POST", "PUT")


@dataclass(frozen=True)
class Passing:
    """Where the role stands in a service's JSON body, and to whom it goes."""

    service: str
    member: str

    async def handle(  # noqa: PLR0917 - the gateway's contract for a handler
        self,
        original: Callable[..., Awaitable[HttpAnswer]],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> HttpAnswer:
        role = _member(body, self.member) if method in METHODS and "/invocations" not in path else None
        if role is not None:
            authority = KeyAuthority(joints.access_key(headers, query), joints.region(headers, query))
            try:
                context = {"iam:PassedToService": f"{self.service}.amazonaws.com"}
                authority.require("iam:PassRole", role, context)
            except AwsError as error:
                return error_answer(error)
        return await original(method, path, headers, body, query)


def install() -> None:
    for passing in (Passing("lambda", "Role"), Passing("codebuild", "serviceRole")):
        joints.wrap_handler(passing.service, passing.handle)


def _member(body: bytes, name: str) -> str | None:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return None
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) and found.startswith("arn:") else None
