"""iam:PassRole for calls of MiniStack's own services that hand a role on: MiniStack does not ask for it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local import joints, joints_ec2
from local.authority import KeyAuthority
from local.ec2.launch_parameters import NoLaunchTemplate, completed, one
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


async def launch(  # noqa: PLR0917 - the gateway's contract for a handler
    original: Callable[..., Awaitable[HttpAnswer]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> HttpAnswer:
    """EC2 is handed the role of an instance profile."""
    asked = {**query, **parse_qs(body.decode(errors="replace"))}
    if one(asked, "Action") in ("RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"):
        authority = KeyAuthority(joints.access_key(headers, query), joints.region(headers, query))
        try:
            for role in _profile_roles(asked):
                authority.require("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
        except AwsError as error:
            return joints_ec2.ec2_error("UnauthorizedOperation", escape(error.message), 403)
    return await original(method, path, headers, body, query)


def _profile_roles(asked: dict[str, Any]) -> list[str]:
    """None where there is no such profile or launch template; the call itself says that."""
    try:
        asked = completed(asked)
    except NoLaunchTemplate:
        return []
    name, arn = one(asked, "IamInstanceProfile.Name"), one(asked, "IamInstanceProfile.Arn")
    found = joints_ec2.instance_profile(name, arn) if name or arn else None
    return found[1] if found else []


def install() -> None:
    joints.wrap_handler("ec2", launch)
    for passing in (Passing("lambda", "Role"), Passing("codebuild", "serviceRole")):
        joints.wrap_handler(passing.service, passing.handle)


def _member(body: bytes, name: str) -> str | None:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return None
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) and found.startswith("arn:") else None
