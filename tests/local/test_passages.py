"""What IAM is told of a request that came through a VPC endpoint, and of what others do behind it."""

import pytest

from local.network.authorization import Passage, _enforce, passing
from local.network.reachability import Way

INSIDE = Passage("KEY", "s3", Way("10.0.1.4", "vpce-1", "vpc-1", {"Statement": []}))


@pytest.fixture
def asked():
    """The contexts that were asked with, each refused."""
    found = []

    def enforce(key, action, service, region, resource, context):
        found.append((key, context))
        return "refused"

    with passing(INSIDE):
        for key in ("KEY", "ROLE-OF-A-STACK"):
            assert _enforce(enforce, key, "s3:GetObject", "s3", "us-east-1", "*", {"s3:prefix": "a"}) == "refused"
    return dict(found)


def test_request_of_the_caller_has_the_endpoints_keys(asked):
    assert asked["KEY"] == {
        "s3:prefix": "a",
        "aws:SourceVpc": "vpc-1",
        "aws:SourceVpce": "vpce-1",
        "aws:VpcSourceIp": "10.0.1.4",
    }


def test_what_another_role_does_because_of_it_has_not(asked):
    """A stack's role works for who asked for the stack, from nowhere."""
    assert asked["ROLE-OF-A-STACK"] == {"s3:prefix": "a"}


def test_way_over_the_internet_has_none_of_them():
    assert Passage("KEY", "s3", Way("54.0.0.1")).condition_keys() == {}
    assert Passage("KEY", "s3", Way("54.0.0.1")).source_address() == "54.0.0.1"
