"""What a container may wish of a transform job, whatever it says."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from local.sagemaker.execution_parameters import understood
from local.sagemaker.jobs import JobFailed

NAMES = ("MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy")
ANY_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda one: some.lists(one, max_size=3) | some.dictionaries(some.text(), one, max_size=3),
    max_leaves=6,
)


def test_wishes_are_taken_in_the_requests_words():
    said = {"MaxConcurrentTransforms": 8, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6, "other": "x"}
    assert understood(json.dumps(said).encode()) == {
        "MaxConcurrentTransforms": 8,
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": 6,
    }
    assert understood(b'{"MaxConcurrentTransforms": 0, "BatchStrategy": null}') == {}


@pytest.mark.parametrize("body", [b"", b"ok", b"7", b"[1]", b'"text"', b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_answer_to_that_is_no_wish(body):
    assert understood(body) == {}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"MaxConcurrentTransforms": "many"},
            'MaxConcurrentTransforms = "many", which must be a whole number from 0 to',
        ),
        ({"MaxConcurrentTransforms": True}, "MaxConcurrentTransforms = true"),
        ({"MaxPayloadInMB": -1}, "MaxPayloadInMB = -1, which must be a whole number from 0 to 100"),
        ({"MaxPayloadInMB": 6.5}, "MaxPayloadInMB = 6.5"),
        (
            {"BatchStrategy": ["x" * 99]},
            'BatchStrategy = ["xxx.*\\.\\.\\., which must be SINGLE_RECORD or MULTI_RECORD',
        ),
    ],
)
def test_a_wish_that_cannot_be_is_a_sentence(said, sentence):
    with pytest.raises(JobFailed, match=sentence.replace("[", "\\[")):
        understood(json.dumps(said).encode())


@settings(max_examples=40)
@given(some.dictionaries(some.sampled_from(NAMES), ANY_JSON) | ANY_JSON)
def test_any_json_is_a_wish_none_or_a_sentence(said):
    try:
        found = understood(json.dumps(said).encode())
    except JobFailed as error:
        assert "which must be" in str(error)
    else:
        assert set(found) <= set(NAMES)
        assert found.get("MaxConcurrentTransforms", 1) >= 1
