"""A manifest that arrives whole starts one run, however its events come; any other starts none."""

import json
import random
import re

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.intake.manifest import LARGEST_BYTES
from lambda_src.intake.refusal import Refusal
from tests.lambda_src.intake.account import BUCKET, JPEG, KEY, MANIFEST, PIPELINE, RUN, Harness, Objects, arrival


def test_a_manifest_starts_the_pipeline_on_its_data_set():
    harness = Harness()
    (record,) = harness.take(arrival(**{"version-id": "v1"}))["taken"]
    assert record == {
        "bucket": BUCKET,
        "key": KEY,
        "dataset": "dogs",
        "outcome": "started",
        "pictures": "2",
        "sha256": "ab" * 32,
        "run": f"{RUN}0",
    }
    assert harness.log == [record]
    assert harness.objects.asked == [{"Bucket": BUCKET, "Key": KEY, "VersionId": "v1"}]
    (call,) = harness.runs.calls
    assert call["PipelineName"] == PIPELINE
    assert call["PipelineParameters"] == [{"Name": "DatasetPrefix", "Value": "dataset/dogs"}]
    assert re.fullmatch(r"dogs-[0-9a-f]{8}", call["PipelineExecutionDisplayName"])
    assert 32 <= len(call["ClientRequestToken"]) <= 128


PUSHES = [("dogs", {**MANIFEST, "sha256": digit * 64}, f"v{digit}") for digit in "123"] + [
    ("cats", {**MANIFEST, "sha256": "1" * 64}, "v1")
]


@settings(max_examples=60, deadline=None)
@given(times=st.lists(st.integers(1, 5), min_size=4, max_size=4), seed=st.integers(0, 2**32), trouble=st.booleans())
def test_each_data_set_starts_one_run_however_often_and_in_whatever_order_its_events_come(times, seed, trouble):
    chance, objects = random.Random(seed), Objects()
    objects.kept |= {("dataset/cats/train/a/1.jpg", None): JPEG, ("dataset/cats/train/a/2.jpg", None): JPEG}
    deliveries = []
    for (name, manifest, version), count in zip(PUSHES, times, strict=True):
        key = f"dataset/{name}/manifest.json"
        objects.put(manifest, key, version)
        deliveries += [arrival(key, **{"version-id": version})] * count
    harness = Harness(objects)
    if trouble:
        harness.runs.fails = lambda: chance.random() < 0.4
    chance.shuffle(deliveries)
    while deliveries:
        event = deliveries.pop(0)
        try:
            harness.take(event)
        except ClientError:
            # As Lambda does: again, later.
            deliveries.append(event)
    assert len(harness.runs.runs) == len(PUSHES)


def test_the_same_manifest_put_again_is_no_new_data_set():
    harness = Harness()
    for version in ("v1", "v2"):
        harness.objects.put(MANIFEST, version=version)
        harness.take(arrival(**{"version-id": version}))
    assert len(harness.runs.runs) == 1


def test_a_bucket_without_versions_is_read_as_it_is():
    harness = Harness()
    harness.take(arrival(**{"version-id": None}))
    assert harness.objects.asked == [{"Bucket": BUCKET, "Key": KEY}]


def test_the_longest_name_is_a_display_name_that_sagemaker_takes():
    key = f"dataset/{'d' * 60}/manifest.json"
    objects = Objects().put({**MANIFEST, "pictures": 1}, key)
    objects.put(JPEG, f"dataset/{'d' * 60}/1.jpg")
    harness = Harness(objects)
    harness.take(arrival(key, **{"version-id": None}))
    assert len(harness.runs.calls[0]["PipelineExecutionDisplayName"]) <= 82


@pytest.mark.parametrize("promised", [3, 1_000])
def test_a_manifest_without_all_its_pictures_starts_nothing(promised):
    harness = Harness(Objects().put({**MANIFEST, "pictures": promised}, version="v1"))
    with pytest.raises(Refusal, match=f"promises {promised} pictures, and 2 files are there; push the rest"):
        harness.take(arrival(**{"version-id": "v1"}))
    assert harness.runs.calls == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[" * 60_000, "is not valid JSON"),
        (b"[]", "format is None, known is 1"),
        (json.dumps({**MANIFEST, "format": 2}).encode(), "format is 2, known is 1"),
        (json.dumps({**MANIFEST, "pictures": 0}).encode(), "pictures is '0', it must be a whole number above 0"),
        (json.dumps({**MANIFEST, "pictures": True}).encode(), "pictures is 'True'"),
        (json.dumps({**MANIFEST, "sha256": "AB" * 32}).encode(), "sha256 is 'ABAB"),
        (b" " * (LARGEST_BYTES + 1), "is larger than 65536 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_manifest_that_says_nothing_starts_nothing(content, sentence):
    harness = Harness(Objects().put(content))
    with pytest.raises(Refusal, match=re.escape(sentence)):
        harness.take(arrival(**{"version-id": None}))
    assert harness.runs.calls == []


def test_a_manifest_that_is_gone_is_a_sentence_and_a_denial_is_what_it_is():
    harness = Harness(Objects())
    with pytest.raises(Refusal, match="is gone again; push the data set anew"):
        harness.take(arrival())
    harness.objects.error = "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        harness.take(arrival())
