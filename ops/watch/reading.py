"""A question to AWS whose answer may be withheld: the rest of a report must not go with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import OperatorError
from ops.weather import sentence_of

Found = TypeVar("Found")


@dataclass(frozen=True)
class Unknown:
    """Not known, and why."""

    reason: str


def asked(question: Callable[[], Found]) -> Found | Unknown:
    try:
        return question()
    except (BotoCoreError, ClientError) as error:
        return Unknown(str(sentence_of(error)))
    except OperatorError as error:
        return Unknown(str(error))
