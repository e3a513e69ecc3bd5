"""A new picture is what its name claims, or is tagged with the reason."""

import re

import pytest

from lambda_src.intake.access import LONGEST_TAG
from lambda_src.intake.pictures import KINDS, fault_of
from stacks.constructs.intake import ENDINGS
from tests.lambda_src.intake.account import JPEG, PNG, Harness, arrival
from training.pictures import SUFFIXES


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("1.jpg", b"", "empty"),
        ("1.jpg", b"<html>hello", "claims to be JPEG and is no picture"),
        ("1.PNG", b"II*\x00", "claims to be PNG and is no picture"),
        ("notes.txt", b"hello", "no picture by its name: known are .gif .jpeg .jpg .png .webp"),
        ("jpg", JPEG, "no picture by its name: known are .gif .jpeg .jpg .png .webp"),
        ("train/manifest.json", b"{}", "no picture by its name: known are .gif .jpeg .jpg .png .webp"),
    ],
)
def test_what_is_not_what_it_claims_to_be_is_tagged_with_the_reason(name, content, reason):
    harness = Harness()
    key = f"dataset/dogs/{name}"
    harness.objects.put(content, key, "v7")
    (record,) = harness.take(arrival(key, **{"version-id": "v7"}))["taken"]
    assert (record["outcome"], record["reason"]) == ("tagged", reason)
    assert harness.objects.tags == {key: ("refused", reason, "v7")}
    assert re.fullmatch(r"[\w +\-=.:/@]+", reason)
    assert len(reason) <= LONGEST_TAG
    assert harness.runs.calls == []


@pytest.mark.parametrize(("name", "content"), [("1.jpg", JPEG), ("1.JPEG", JPEG), ("1.png", PNG), ("1.jpg", PNG)])
def test_a_picture_is_left_alone(name, content):
    assert fault_of(f"dataset/dogs/{name}", content) is None


def test_a_picture_that_is_gone_again_is_nobodys_fault():
    (record,) = Harness().take(arrival("dataset/dogs/9.jpg"))["taken"]
    assert record["outcome"] == "gone"


def test_the_endings_are_the_pipelines_and_the_rules():
    assert KINDS.keys() == SUFFIXES.keys() == {f".{ending}" for ending in ENDINGS}
