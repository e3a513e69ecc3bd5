"""An account as bad weather leaves it: real clients of boto3, whose calls are answered before they are sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import boto3
from botocore.awsrequest import AWSResponse

from ops.account import Account

NUMBER, REGION = "111122223333", "us-east-1"
CALLER = {"Account": NUMBER, "Arn": f"arn:aws:iam::{NUMBER}:user/me", "UserId": "me"}
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
# An endpoint that is named is not looked for in the embedded AWS of this project; nothing is sent there.
ENVIRONMENT = {**KEYS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": "https://aws.invalid", "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Refusal:
    """An answer of AWS's that is an error."""

    code: str
    message: str = "words"


Told = dict[str, Any] | Refusal | Exception
# Operation and its parameters -> what AWS says.
Weather = Callable[[str, dict[str, Any]], Told]


@contextmanager
def in_weather(weather: Weather) -> Iterator[None]:
    def client(_account: Account, service: str, _region: str = "") -> Any:
        return _client(service)

    _now[:] = [weather]
    with mock.patch.object(Account, "client", client), mock.patch.object(Account, "client_elsewhere", client):
        yield


# The weather that is; a client's API model takes a tenth of a second to read, so that clients outlive it.
_now: list[Weather] = []


@cache
def _client(service: str) -> Any:
    made = boto3.client(service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    made.meta.events.register("provide-client-params.*.*", _remember)
    made.meta.events.register("before-call.*.*", lambda model, context, **_: _answer(_now[0], model, context))
    return made


def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["asked"] = dict(params)


def _answer(weather: Weather, model: Any, context: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    told = weather(model.name, context["asked"])
    if isinstance(told, Exception):
        raise told
    if isinstance(told, Refusal):
        parsed: dict[str, Any] = {"Error": {"Code": told.code, "Message": told.message}}
        return AWSResponse("https://aws.invalid", 400, {}, None), {**parsed, "ResponseMetadata": {}}
    return AWSResponse("https://aws.invalid", 200, {}, None), {**told, "ResponseMetadata": {}}
