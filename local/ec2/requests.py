"""What MiniStack does not ask of a request to EC2: the role of an instance profile, every instance but the first."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local import joints, joints_ec2
from local.authority import KeyAuthority
from local.ec2.calls import arn
from local.ec2.launch_parameters import NoLaunchTemplate, Params, completed, many, one
from local.ec2.machine import PRINCIPAL
from local.json_service import AwsError, HttpAnswer

PASSES_A_ROLE = ("RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")
CHANGES_INSTANCES = ("StartInstances", "StopInstances", "RebootInstances", "TerminateInstances")


def install() -> None:
    joints.wrap_handler("ec2", handle)


async def handle(  # noqa: PLR0917 - the gateway's contract for a handler
    original: Callable[..., Awaitable[HttpAnswer]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> HttpAnswer:
    asked = {**query, **parse_qs(body.decode(errors="replace"))}
    authority = KeyAuthority(joints.access_key(headers, query), joints.region(headers, query))
    try:
        _require(authority, one(asked, "Action"), asked)
    except AwsError as error:
        refusal: HttpAnswer = joints_ec2.ec2_error("UnauthorizedOperation", escape(error.message), 403)
        return refusal
    return await original(method, path, headers, body, query)


def _require(authority: KeyAuthority, action: str, asked: Params) -> None:
    if action in PASSES_A_ROLE:
        for role in _profile_roles(asked):
            authority.require("iam:PassRole", role, {"iam:PassedToService": PRINCIPAL})
    if action in CHANGES_INSTANCES:
        for identity in many(asked, "InstanceId")[1:]:
            authority.require(f"ec2:{action}", arn("instance", identity))


def _profile_roles(asked: Params) -> list[str]:
    """None where there is no such profile or launch template; the call itself says that."""
    try:
        asked = completed(asked)
    except NoLaunchTemplate:
        return []
    name, profile = one(asked, "IamInstanceProfile.Name"), one(asked, "IamInstanceProfile.Arn")
    found = joints_ec2.instance_profile(name, profile) if name or profile else None
    return found[1] if found else []
