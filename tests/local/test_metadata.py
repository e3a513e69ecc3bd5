"""An instance's metadata service: v2 by token, v1 where it may, and what a hop beyond the instance gets."""

import http.client
import json

import pytest

from local.authority import Credentials
from local.sandbox.metadata import MetadataService, Options, RoleKeys, Tokens

KEYS = RoleKeys("role", "arn:role", "arn:profile", Credentials("key", "secret", "token"), 0.0, 3600.0)


class Instance:
    """What the service speaks of."""

    def __init__(self, options, keys=KEYS):
        self._options, self._keys = options, keys

    def options(self):
        return self._options

    def facts(self):
        return {"instance-id": "i-1", "placement/region": "us-east-1", "placement/availability-zone": "us-east-1a"}

    def identity_document(self):
        return {"instanceId": "i-1", "region": "us-east-1"}

    def role_keys(self):
        return self._keys

    def user_data(self):
        return b"#!/bin/sh\n"


@pytest.fixture
def serve():
    services = []

    def start(options, keys=KEYS):
        service = MetadataService(Instance(options, keys))
        service.start()
        services.append(service)

        def ask(path, method="GET", **headers):
            connection = http.client.HTTPConnection(service.address, timeout=5)
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            found = answer.status, answer.read().decode()
            connection.close()
            return found

        return ask

    yield start
    for service in services:
        service.stop()


def token(ask):
    return ask("/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")[1]


def test_version_one_is_refused_where_tokens_are_required(serve):
    assert serve(Options(tokens_required=True))("/latest/meta-data/instance-id")[0] == 401
    assert serve(Options())("/latest/meta-data/instance-id") == (200, "i-1")


def test_a_token_opens_it_and_a_made_up_one_does_not(serve):
    ask = serve(Options(tokens_required=True))
    assert ask("/latest/meta-data/instance-id", x_aws_ec2_metadata_token=token(ask)) == (200, "i-1")
    assert ask("/latest/meta-data/instance-id", x_aws_ec2_metadata_token="made-up")[0] == 401


@pytest.mark.parametrize("lifetime", ["0", "21601", "soon", ""])
def test_a_tokens_lifetime_has_bounds(serve, lifetime):
    answer = serve(Options())("/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds=lifetime)
    assert answer[0] == 400


def test_what_a_proxy_passes_on_gets_no_token(serve):
    answer = serve(Options())(
        "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60", x_forwarded_for="10.0.0.1"
    )
    assert answer[0] == 403


def test_an_endpoint_that_is_off_says_nothing(serve):
    ask = serve(Options(enabled=False))
    assert ask("/latest/meta-data/")[0] == 403
    assert ask("/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")[0] == 403


def test_it_has_its_port_again_or_another_one_that_is_free():
    first = MetadataService(Instance(Options()))
    taken = MetadataService(Instance(Options()), first.port)
    assert taken.port != first.port
    for service in (first, taken):
        service.start()
        service.stop()
    again = MetadataService(Instance(Options()), first.port)
    assert again.port == first.port
    again.start()
    again.stop()


def test_tokens_end():
    now = [0.0]
    tokens = Tokens(now=lambda: now[0])
    given = tokens.give(60)
    now[0] = 59.0
    assert tokens.hold(given)
    now[0] = 60.0
    assert not tokens.hold(given)


def test_credentials_of_the_role_are_below_its_name(serve):
    ask = serve(Options())
    assert ask("/latest/meta-data/iam/security-credentials/") == (200, "role")
    shown = json.loads(ask("/latest/meta-data/iam/security-credentials/role")[1])
    assert (shown["AccessKeyId"], shown["Expiration"]) == ("key", "1970-01-01T01:00:00Z")
    assert ask("/latest/meta-data/iam/security-credentials/other")[0] == 404
    assert serve(Options(), None)("/latest/meta-data/iam/security-credentials/")[0] == 404


def test_it_lists_what_is_below_a_path(serve):
    ask = serve(Options())
    assert ask("/latest/meta-data/placement/") == (200, "availability-zone\nregion")
    assert "placement/" in ask("/latest/meta-data/")[1].splitlines()
    assert ask("/latest/meta-data/placement/availability-zone/") == (200, "us-east-1a")
    assert ask("/latest/meta-data/nothing")[0] == 404
    assert json.loads(ask("/latest/dynamic/instance-identity/document")[1])["region"] == "us-east-1"
    assert ask("/latest/user-data") == (200, "#!/bin/sh\n")
