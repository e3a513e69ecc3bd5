"""Calls of MiniStack's EC2 that are made anew: each answers, or is refused with EC2's own code."""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from local import joints_ec2
from local.ec2.launch_parameters import Params

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
Answering = Callable[[Foreign, Params], Foreign]


class Refused(Exception):
    """A call's error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def install(calls: dict[str, Answering]) -> None:
    """Each in the place of MiniStack's call of that name, which it is given."""
    for operation, call in calls.items():
        joints_ec2.wrap_ec2(operation, _answering(call))


def _answering(call: Answering) -> Callable[..., Foreign]:
    def answer(original: Foreign, params: Params) -> Foreign:
        try:
            return call(original, params)
        except Refused as refused:
            return joints_ec2.ec2_error(refused.code, escape(refused.message))

    return answer
