"""What is pushed is looked at; a manifest that arrives starts one run, however its events come."""

import io
import json
import random
import re
from functools import cache

import botocore.response
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from botocore.validate import validate_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.intake.access import LONGEST_TAG, Datasets, Pipeline
from lambda_src.intake.manifest import LARGEST_BYTES
from lambda_src.intake.pictures import KINDS, fault_of
from lambda_src.intake.refusal import Refusal
from lambda_src.intake.service import Intake
from lambda_src.intake.settings import Settings, SettingsError
from stacks.constructs.intake import ENDINGS
from tests.lambda_src.events import sample
from training.pictures import SUFFIXES

BUCKET, PIPELINE = "whippet-dev-data-bucket", "whippet-dev-training"
RUN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/whippet-dev-training/execution/"
MANIFEST = {"format": 1, "pictures": 2, "sha256": "ab" * 32}
JPEG, PNG = b"\xff\xd8\xff\xe0" + bytes(12), b"\x89PNG\r\n\x1a\n" + bytes(8)
KEY = "dataset/dogs/manifest.json"


def arrival(key=KEY, bucket=BUCKET, **thing):
    event = sample("eventbridge_object_created")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] |= {"key": key} | thing
    return event


@cache
def shape_of(service, operation):
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def valid(service, operation, arguments):
    shape = shape_of(service, operation)
    validate_parameters(arguments, shape)
    assert set(arguments) <= set(shape.members)


class Objects:
    """S3: for each key and version its bytes; an object without a version is whatever it is by now."""

    def __init__(self, **kept):
        self.kept = {("dataset/dogs/train/a/1.jpg", None): JPEG, ("dataset/dogs/train/a/2.jpg", None): JPEG, **kept}
        self.error, self.tags, self.asked = None, {}, []

    def put(self, content, key=KEY, version=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.kept[key, version] = self.kept[key, None] = body
        return self

    def get_object(self, **arguments):
        valid("s3", "GetObject", arguments)
        self.asked.append(arguments)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetObject")
        content = self.kept.get((arguments["Key"], arguments.get("VersionId")))
        if content is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        if arguments.get("Range") and not content:
            raise ClientError({"Error": {"Code": "InvalidRange", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(content[:16] if arguments.get("Range") else content)}

    def put_object_tagging(self, **arguments):
        valid("s3", "PutObjectTagging", arguments)
        ((tag),) = arguments["Tagging"]["TagSet"]
        self.tags[arguments["Key"]] = (tag["Key"], tag["Value"], arguments.get("VersionId"))

    def list_objects_v2(self, **arguments):
        """By pages of one."""
        valid("s3", "ListObjectsV2", arguments)
        keys = sorted({key for key, _ in self.kept if key.startswith(arguments["Prefix"])})
        place = int(arguments.get("ContinuationToken", 0))
        more = place + 1 < len(keys)
        return {"KeyCount": len(keys[place : place + 1]), "IsTruncated": more, "NextContinuationToken": str(place + 1)}


class Runs:
    """SageMaker, whose answers to one token are one run."""

    def __init__(self):
        self.calls, self.runs, self.fails = [], {}, lambda: False

    def start_pipeline_execution(self, **arguments):
        valid("sagemaker", "StartPipelineExecution", arguments)
        self.calls.append(arguments)
        if self.fails():
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "StartPipelineExecution")
        arn = self.runs.setdefault(arguments["ClientRequestToken"], f"{RUN}{len(self.runs)}")
        return {"PipelineExecutionArn": arn}


class Harness:
    def __init__(self, objects=None):
        self.objects, self.runs, self.log = objects or Objects().put(MANIFEST, version="v1"), Runs(), []
        self.intake = Intake(
            bucket=BUCKET,
            datasets=Datasets(self.objects, BUCKET),
            pipeline=Pipeline(self.runs, PIPELINE),
            write_log=self.log.append,
        )

    def take(self, event):
        return self.intake.take(event)


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


@pytest.mark.parametrize("promised", [3, 1_000])
def test_a_manifest_without_all_its_pictures_starts_nothing(promised):
    harness = Harness(Objects().put({**MANIFEST, "pictures": promised}, version="v1"))
    with pytest.raises(Refusal, match=f"promises {promised} pictures, and 2 files are there; push the rest"):
        harness.take(arrival(**{"version-id": "v1"}))
    assert harness.runs.calls == []


def test_s3s_own_notification_is_taken_with_its_key_decoded():
    harness = Harness()
    key = "dataset/dogs/train/001.Affenpinscher/a good+dog ü.jpg"
    harness.objects.put(JPEG, key, "096fKKXTRTtl3on89fVO.nfljtsv6qko")
    (record,) = harness.take(sample("s3_object_created"))["taken"]
    assert (record["key"], record["outcome"]) == (key, "picture")


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


def test_the_longest_name_is_a_display_name_that_sagemaker_takes():
    key = f"dataset/{'d' * 60}/manifest.json"
    objects = Objects().put({**MANIFEST, "pictures": 1}, key)
    objects.put(JPEG, f"dataset/{'d' * 60}/1.jpg")
    harness = Harness(objects)
    harness.take(arrival(key, **{"version-id": None}))
    assert len(harness.runs.calls[0]["PipelineExecutionDisplayName"]) <= 82


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


def kept(*events):
    (record,) = sample("sqs_kept_event")["Records"]
    return {
        "Records": [
            {**record, "messageId": f"m{number}", "body": event if isinstance(event, str) else json.dumps(event)}
            for number, event in enumerate(events)
        ]
    }


def test_what_was_kept_is_taken_in_again_and_what_fails_again_stays():
    harness = Harness()
    good = arrival(**{"version-id": "v1"})
    answer = harness.take(
        kept(good, {"format": 9}, "no json", {"requestPayload": good, "condition": "RetriesExhausted"})
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}
    assert len(harness.runs.runs) == 1
    assert [record["outcome"] for record in harness.log] == ["started", "kept", "kept", "started"]


def test_an_error_of_aws_keeps_the_message_too():
    harness = Harness()
    harness.runs.fails = lambda: True
    assert harness.take(kept(arrival(**{"version-id": "v1"})))["batchItemFailures"] == [{"itemIdentifier": "m0"}]


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


def test_environment_must_name_bucket_and_pipeline():
    assert Settings.from_environment({"BUCKET": BUCKET, "PIPELINE_NAME": PIPELINE}).pipeline_name == PIPELINE
    with pytest.raises(SettingsError, match="BUCKET is None.*PIPELINE_NAME is 'a b'"):
        Settings.from_environment({"PIPELINE_NAME": "a b"})


def test_handler_answers_and_logs_what_it_started(monkeypatch, capsys):
    monkeypatch.setenv("BUCKET", BUCKET)
    monkeypatch.setenv("PIPELINE_NAME", PIPELINE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    from lambda_src.intake import handler  # noqa: PLC0415 - reads its environment when imported

    objects, runs = handler._INTAKE._datasets._client, handler._INTAKE._pipeline._client
    with Stubber(objects) as s3, Stubber(runs) as sagemaker:
        body = botocore.response.StreamingBody(io.BytesIO(json.dumps(MANIFEST).encode()), None)
        s3.add_response("get_object", {"Body": body}, {"Bucket": BUCKET, "Key": KEY, "VersionId": ANY})
        s3.add_response("list_objects_v2", {"KeyCount": 3}, {"Bucket": BUCKET, "Prefix": "dataset/dogs/"})
        expected = dict.fromkeys(
            ("PipelineName", "PipelineExecutionDisplayName", "PipelineParameters", "ClientRequestToken"), ANY
        )
        sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": f"{RUN}0"}, expected)
        answer = handler.handle(arrival(), None)
    assert [json.loads(capsys.readouterr().out)] == answer["taken"]
    assert answer["taken"][0]["run"] == f"{RUN}0"
