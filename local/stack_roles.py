"""CloudFormation works with the role that it was given: the caller must be allowed to pass it, the role must trust it.

CloudFormation remembers a stack's role for every later operation on that stack.
"""

import asyncio
import functools
import re
import time
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any
from urllib.parse import parse_qs

from local import joints
from local.authority import CannotAssume, KeyAuthority, assume_role
from local.cloudformation import work_as
from local.json_service import AwsError
from local.records import Records, Scope

PRINCIPAL = "cloudformation.amazonaws.com"
STARTS = (
    "CreateStack",
    "UpdateStack",
    "DeleteStack",
    "CreateChangeSet",
    "ExecuteChangeSet",
    "RollbackStack",
    "ContinueUpdateRollback",
)
HOLD_SECONDS = 4.0
HOLD_LOOK_SECONDS = 0.05
# REVIEW_IN_PROGRESS is a stack that waits for its first change set: nobody waits for that one.
IN_PROGRESS = re.compile(rb"<StackStatus>(?!REVIEW_)[A-Z_]+_IN_PROGRESS</StackStatus>")
Answer = tuple[int, dict[str, str], bytes]


class StackRoles:
    """In front of MiniStack's CloudFormation, which accepts RoleARN and ignores it."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        self.records = Records()
        self._prepare = prepare

    async def handle(  # noqa: PLR0917 - the gateway's contract for a handler
        self,
        original: Callable[..., Awaitable[Answer]],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> Answer:
        self._prepare()
        params = {**parse_qs(body.decode("utf-8", "replace")), **query}
        action = _one(params, "Action")
        if action in STARTS:
            region = joints.region(headers, query)
            scope = Scope(joints.account(), region)
            caller = KeyAuthority(joints.access_key(headers, query), region)
            try:
                work_as(self._authority(scope, caller, params))
            except AwsError as error:
                return _query_error(error)
        answer = await original(method, path, headers, body, query)
        if action == "DescribeStacks":
            return await self._patient(answer, functools.partial(original, method, path, headers, body, query))
        return answer

    async def _patient(self, answer: Answer, again: Callable[[], Awaitable[Answer]]) -> Answer:
        """Hold the answer a little while the stack is in progress: the CDK CLI asks again only after five seconds."""
        until = time.monotonic() + HOLD_SECONDS
        while IN_PROGRESS.search(answer[2]) and time.monotonic() < until:
            await asyncio.sleep(HOLD_LOOK_SECONDS)
            answer = await again()
        return answer

    def _authority(self, scope: Scope, caller: KeyAuthority, params: dict[str, Any]) -> KeyAuthority:
        role, stack = _one(params, "RoleARN"), _stack_name(_one(params, "StackName"))
        if role:
            caller.require("iam:PassRole", role, {"iam:PassedToService": PRINCIPAL})
            self.records.put(scope, "Role", stack, {"RoleARN": role})
        remembered = self.records.get(scope, "Role", stack)
        if remembered is None:
            return caller
        source = f"arn:aws:cloudformation:{scope.region}:{scope.account}:stack/{stack}"
        try:
            credentials = assume_role(scope, remembered["RoleARN"], PRINCIPAL, "AWSCloudFormation", source)
        except CannotAssume as error:
            raise AwsError(
                "ValidationError", f"Role {remembered['RoleARN']} is invalid or cannot be assumed: {error}."
            ) from error
        return KeyAuthority(credentials.access_key, scope.region)


def _one(params: dict[str, Any], name: str) -> str:
    value = params.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _stack_name(given: str) -> str:
    return given.rsplit(":stack/", maxsplit=1)[-1].split("/", maxsplit=1)[0]


def _query_error(error: AwsError) -> Answer:
    code = "AccessDenied" if error.code == "AccessDeniedException" else error.code
    text = (
        '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>'
        f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message></Error></ErrorResponse>"
    )
    return 403 if code == "AccessDenied" else 400, {"Content-Type": "text/xml"}, text.encode()
