"""Events from EventBridge and S3's own: which objects they are about, and which are none of ours."""

import json
import re

import pytest

from lambda_src.intake.refusal import Refusal
from tests.lambda_src.events import sample
from tests.lambda_src.intake.account import BUCKET, JPEG, KEY, MANIFEST, Harness, arrival


def test_s3s_own_notification_is_taken_with_its_key_decoded():
    harness = Harness()
    key = "dataset/dogs/train/001.Affenpinscher/a good+dog ü.jpg"
    harness.objects.put(JPEG, key, "096fKKXTRTtl3on89fVO.nfljtsv6qko")
    (record,) = harness.take(sample("s3_object_created"))["taken"]
    assert (record["key"], record["outcome"]) == (key, "picture")


@pytest.mark.parametrize(
    "key",
    [
        "dataset/manifest.json",
        "dataset/Dogs/manifest.json",
        "dataset/-dogs/manifest.json",
        "dataset/do--gs/manifest.json",
        "dataset/dogs manifest/manifest.json",
        "models/dataset/dogs/manifest.json",
        f"dataset/{'d' * 61}/manifest.json",
        "dataset/dogs/",
        "",
        None,
        7,
    ],
)
def test_a_key_of_no_data_set_is_refused_unread(key):
    harness = Harness()
    with pytest.raises(Refusal, match="it must lie below dataset/NAME/"):
        harness.take(arrival(key))
    assert (harness.runs.calls, harness.objects.asked) == ([], [])
    assert harness.log[0]["outcome"] == "refused"


@pytest.mark.parametrize("key", ["dataset/dogs/../cats/manifest.json", "dataset/dogs/manifest.json\n"])
def test_a_key_that_only_looks_like_a_manifests_starts_nothing(key):
    harness = Harness()
    harness.objects.put(MANIFEST, key)
    (record,) = harness.take(arrival(key, **{"version-id": None}))["taken"]
    assert (record["outcome"], harness.runs.calls) == ("tagged", [])


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (None, 'The event has no "detail"'),
        ([], 'The event has no "detail"'),
        ({"detail": {"bucket": "x"}}, 'The event has no "bucket"'),
        ({"detail": {"bucket": {"name": BUCKET}}}, 'The event has no "object"'),
        ({"Records": [{}]}, 'The event has no "s3"'),
        ({"Records": [7]}, 'The event has no "s3"'),
        (arrival(bucket="another"), f"the bucket 'another', and this function takes data from {BUCKET} alone"),
    ],
)
def test_an_event_that_is_none_of_ours_is_refused(event, sentence):
    with pytest.raises(Refusal, match=re.escape(sentence)):
        Harness().take(event)


def test_the_rest_of_an_event_is_done_before_its_refusal_is_told():
    event = sample("s3_object_created")
    bad = json.loads(json.dumps(event["Records"][0]))
    bad["s3"]["bucket"]["name"] = "another"
    good = json.loads(json.dumps(event["Records"][0]))
    good["s3"]["object"] = {"key": KEY}
    harness = Harness()
    with pytest.raises(Refusal, match="another"):
        harness.take({"Records": [bad, good]})
    assert len(harness.runs.runs) == 1
