"""Fn::Join in a template's Conditions means what it means on AWS."""

import pytest

from local.conditions import with_joins


def resolved(condition, **params):
    seen = {}

    def original(template, given):
        seen.update(template["Conditions"])
        return {}

    with_joins(original, {"Conditions": {"C": condition}}, {key: {"Value": value} for key, value in params.items()})
    return seen["C"]


@pytest.mark.parametrize(
    ("parts", "joined"),
    [(["a", {"Ref": "P"}], "a-x,y"), ({"Ref": "P"}, "x-y"), ([], "")],
)
def test_join_becomes_its_text(parts, joined):
    assert resolved({"Fn::Equals": ["", {"Fn::Join": ["-", parts]}]}, P="x,y") == {"Fn::Equals": ["", joined]}


def test_join_of_what_is_unknown_stays():
    condition = {"Fn::Equals": ["", {"Fn::Join": ["", [{"Ref": "AWS::Region"}]]}]}
    assert resolved(condition) == condition
