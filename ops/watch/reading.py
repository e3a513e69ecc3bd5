"""A question to AWS whose answer may be withheld: the rest of a report must not go with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import OperatorError
from ops.weather import sentence_of

Found = TypeVar("Found")
# A region may lack a quota, and an AWS that is not AWS's a call.
NOTHING_CODES = {"NoSuchResourceException", "InvalidAction"}


@dataclass(frozen=True)
class Unknown:
    """Not known, and why."""

    reason: str
    withheld: bool = True
    """From us; else there is nothing of that name to tell to anybody."""


def asked(question: Callable[[], Found]) -> Found | Unknown:
    try:
        return question()
    except ClientError as error:
        nothing = error.response["Error"].get("Code") in NOTHING_CODES
        return Unknown(str(sentence_of(error)), withheld=not nothing)
    except BotoCoreError as error:
        return Unknown(str(sentence_of(error)))
    except OperatorError as error:
        return Unknown(str(error))
