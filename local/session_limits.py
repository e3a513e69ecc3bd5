"""How long a role's session may last: MiniStack gives whatever is asked for."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from local import joints

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
SHORTEST, LONGEST, LONGEST_CHAINED = 900, 43200, 3600
# What access keys of temporary credentials begin with: to assume a role with them is to chain.
TEMPORARY = "ASIA"


class OutOfLimits(Exception):
    """Why a session is not given, in STS's words."""


def install() -> None:
    joints.wrap("services.sts:register_session", _within_limits)
    joints.wrap_handler("sts", _refuse)


async def _refuse(original: Callable[..., Awaitable[Foreign]], *request: Foreign) -> Foreign:
    try:
        return await original(*request)
    except OutOfLimits as error:
        return joints.sts_error(400, "ValidationError", str(error))


def _within_limits(original: Callable[..., None], access_key: str, session: dict[str, Foreign]) -> None:
    """Here whoever asks is known to be trusted by the role, and others learn nothing of it."""
    # AWS's services open theirs without saying of what type they are, for as long as their work takes.
    if session.get("PrincipalType") == "AssumedRole":
        _check(round(session["Expiration"] - time.time()), session)
    original(access_key, session)


def _check(seconds: int, session: dict[str, Foreign]) -> None:
    if not SHORTEST <= seconds <= LONGEST:
        bound = f"greater than or equal to {SHORTEST}" if seconds < SHORTEST else f"less than or equal to {LONGEST}"
        raise OutOfLimits(
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value {bound}"
        )
    if seconds > LONGEST_CHAINED and str(session.get("SourceAccessKeyId", "")).startswith(TEMPORARY):
        raise OutOfLimits(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if seconds > joints.longest_session(session["AccountId"], session["Arn"].split("/")[1]):
        raise OutOfLimits("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
