"""Prices by a dated snapshot: what is not listed has none."""

import re
import tomllib

import pytest

from ops import prices
from ops.prices import Prices, dollars

HERE = Prices("us-east-1")


def test_a_listed_type_has_its_price_where_it_was_read():
    assert HERE.hourly("ml.m5.large") == 0.115
    assert HERE.hourly("m5.xlarge") == 0.192
    assert HERE.other("gp3 GiB-month") == 0.08


@pytest.mark.parametrize(
    ("kind", "region"), [("ml.m5.24xlarge", "us-east-1"), ("ml.m5.large", "eu-west-1"), ("m5.large", "us-east-1")]
)
def test_what_was_not_read_is_unpriced_and_not_free(kind, region):
    assert Prices(region).hourly(kind) is None
    assert dollars(Prices(region).hourly(kind)) == "unpriced"


def test_sagemaker_asks_more_than_ec2_for_the_same_machine():
    """By 20 % (t3, m5, c5), 25 % (p3) or 40 % (g4dn, g5): a slip of a digit would show."""
    ec2 = tomllib.loads(prices.SNAPSHOT.read_text())["ec2"]
    both = {kind: HERE.hourly(f"ml.{kind}") / found[0] for kind, found in ec2.items() if HERE.hourly(f"ml.{kind}")}
    assert len(both) >= 3
    assert all(1.19 < ratio < 1.41 for ratio in both.values()), both


def test_each_price_says_when_it_was_read():
    for section in tomllib.loads(prices.SNAPSHOT.read_text()).values():
        for amount, read in section.values():
            assert amount > 0
            assert re.fullmatch(r"20\d\d-\d\d", read)
