"""A call that AWS slows down or fails is made again, later and later, and never in step with others."""

import io
import random

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from ops.account import HASTE, PATIENCE, Account

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
WHERE = {"AWS_ENDPOINT_URL": "https://aws.invalid", "AWS_CA_BUNDLE": "/nowhere"}
SLOWED = (400, b"<ErrorResponse><Error><Code>Throttling</Code><Message>slower</Message></Error></ErrorResponse>")
GOOD = (
    200,
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult>"
    b"</GetCallerIdentityResponse>",
)


class Body(io.BytesIO):
    def stream(self):
        yield self.read()


@pytest.fixture
def account():
    return Account("us-east-1", {**KEYS, **WHERE})


def answering(client, *answers):
    """Below botocore's retries, as the network would; what is left over was not asked for."""
    left = list(answers)

    def send(request, **_):
        status, body = left.pop(0)
        return AWSResponse(request.url, status, {}, Body(body))

    client.meta.events.register_first("before-send.*", send)
    return left


@pytest.fixture
def waits(monkeypatch):
    """The seconds between tries, which nobody waits."""
    told = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", told.append)
    return told


def test_what_is_slowed_down_is_asked_again_after_waits_that_grow_and_differ(account, waits):
    sts = account.client("sts")
    left = answering(sts, SLOWED, SLOWED, SLOWED, GOOD)
    random.seed(3)
    assert sts.get_caller_identity()["Account"] == "111122223333"
    assert left == []
    assert len({round(one, 6) for one in waits}) == 3, "no two of them alike: with jitter"
    assert all(0 < one < 2**number for number, one in enumerate(waits))


@pytest.mark.parametrize(
    ("client_of", "tries"),
    [(lambda account: account.client("sts"), 6), (lambda account: account.client_elsewhere("sts", "us-east-1"), 2)],
    ids=["patient", "in haste"],
)
def test_what_stays_slow_is_given_up_after_as_many_tries_as_are_said(account, waits, client_of, tries):
    client = client_of(account)
    left = answering(client, *[SLOWED] * 10)
    with pytest.raises(ClientError, match="Throttling"):
        client.get_caller_identity()
    assert len(left) == 10 - tries
    assert len(waits) == tries - 1


@pytest.mark.parametrize(("config", "tries"), [(PATIENCE, 6), (HASTE, 2)])
def test_clients_keep_to_the_mode_that_waits_with_jitter(config, tries):
    client = boto3.client("sts", region_name="us-east-1", config=config)
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": tries}
