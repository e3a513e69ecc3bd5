"""A manifest that arrives starts one run; whatever else arrives is refused in a sentence."""

import io
import json
import re
from functools import cache

import botocore.response
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from botocore.validate import validate_parameters

from lambda_src.intake.access import Datasets, Pipeline
from lambda_src.intake.manifest import LARGEST_BYTES
from lambda_src.intake.refusal import Refusal
from lambda_src.intake.service import Intake
from lambda_src.intake.settings import Settings, SettingsError

BUCKET, PIPELINE = "whippet-dev-data-bucket", "whippet-dev-training"
RUN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/whippet-dev-training/execution/abcdefghijkl"
MANIFEST = {"format": 1, "pictures": 8351, "sha256": "ab" * 32}


def arrival(key="dataset/dogs/manifest.json", bucket=BUCKET, **thing):
    """What EventBridge hands over, of which the function needs three values."""
    found = {"key": key, "size": 99, "etag": "e", "version-id": "v1", "sequencer": "0063"} | thing
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": found, "reason": "PutObject"},
    }


class Objects:
    """S3, with one object."""

    def __init__(self, content=None, error=None):
        self.content = json.dumps(MANIFEST).encode() if content is None else content
        self.error, self.asked = error, []

    def get_object(self, **arguments):
        self.asked.append(arguments)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.content)}


@cache
def sagemaker():
    return botocore.session.get_session().get_service_model("sagemaker")


class Runs:
    """SageMaker, whose answers to one token are one run."""

    def __init__(self):
        self.calls = []

    def start_pipeline_execution(self, **arguments):
        validate_parameters(arguments, sagemaker().operation_model("StartPipelineExecution").input_shape)
        self.calls.append(arguments)
        return {"PipelineExecutionArn": RUN}


def intake(objects=None, runs=None):
    return Intake(
        bucket=BUCKET,
        datasets=Datasets(objects or Objects(), BUCKET),
        pipeline=Pipeline(runs or Runs(), PIPELINE),
    )


def test_a_manifest_starts_the_pipeline_on_its_data_set():
    objects, runs = Objects(), Runs()
    answer = intake(objects, runs).take(arrival())
    assert answer == {"dataset": "dogs", "pictures": "8351", "sha256": "ab" * 32, "run": RUN}
    assert objects.asked == [{"Bucket": BUCKET, "Key": "dataset/dogs/manifest.json"}]
    (call,) = runs.calls
    assert call["PipelineName"] == PIPELINE
    assert call["PipelineParameters"] == [{"Name": "DatasetPrefix", "Value": "dataset/dogs"}]
    assert re.fullmatch(r"dogs-[0-9a-f]{8}", call["PipelineExecutionDisplayName"])


def tokens(*events):
    runs = Runs()
    for event in events:
        intake(runs=runs).take(event)
    return [call["ClientRequestToken"] for call in runs.calls]


def test_a_repeated_event_has_the_same_token():
    one, again = tokens(arrival(), {**arrival(), "id": "another delivery"})
    assert one == again
    assert 32 <= len(one) <= 128


def test_a_new_version_another_set_and_another_object_have_others():
    found = tokens(arrival(), arrival(**{"version-id": "v2"}), arrival("dataset/cats/manifest.json"))
    assert len(set(found)) == 3


def test_a_bucket_without_versions_tells_arrivals_apart_too():
    assert len(set(tokens(*(arrival(**{"version-id": None, "sequencer": s}) for s in ("1", "2", "2"))))) == 2


@pytest.mark.parametrize(
    "key",
    [
        "dataset/manifest.json",
        "dataset/dogs/train/manifest.json",
        "dataset/Dogs/manifest.json",
        "dataset/-dogs/manifest.json",
        "dataset/do--gs/manifest.json",
        "dataset/dogs/../cats/manifest.json",
        "dataset/dogs/manifest.json\n",
        "dataset/dogs manifest/manifest.json",
        "models/dataset/dogs/manifest.json",
        f"dataset/{'d' * 61}/manifest.json",
        "",
        None,
        7,
    ],
)
def test_a_key_that_is_no_manifests_starts_nothing(key):
    runs = Runs()
    with pytest.raises(Refusal, match="it must be dataset/NAME/manifest.json"):
        intake(runs=runs).take(arrival(key))
    assert runs.calls == []


def test_the_longest_name_is_a_display_name_that_sagemaker_takes():
    runs = Runs()
    intake(runs=runs).take(arrival(f"dataset/{'d' * 60}/manifest.json"))
    assert len(runs.calls[0]["PipelineExecutionDisplayName"]) <= 82


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (None, 'The event has no "detail"'),
        ([], 'The event has no "detail"'),
        ({"detail": {"bucket": "x"}}, 'The event has no "bucket"'),
        ({"detail": {"bucket": {"name": BUCKET}}}, 'The event has no "object"'),
        (arrival(bucket="another"), f"the bucket 'another', and this function takes data from {BUCKET} alone"),
        (arrival(**{"version-id": None, "sequencer": None, "etag": 5}), "tells no version, sequencer or etag"),
    ],
)
def test_an_event_that_is_none_of_ours_is_refused(event, sentence):
    with pytest.raises(Refusal, match=re.escape(sentence)):
        intake().take(event)


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
    runs = Runs()
    with pytest.raises(Refusal, match=re.escape(sentence)):
        intake(Objects(content), runs).take(arrival())
    assert runs.calls == []


def test_a_manifest_that_is_gone_is_a_sentence_and_a_denial_is_what_it_is():
    with pytest.raises(Refusal, match="is gone again; push the data set anew"):
        intake(Objects(error="NoSuchKey")).take(arrival())
    with pytest.raises(ClientError, match="AccessDenied"):
        intake(Objects(error="AccessDenied")).take(arrival())


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
        s3.add_response("get_object", {"Body": body}, {"Bucket": BUCKET, "Key": "dataset/dogs/manifest.json"})
        expected = dict.fromkeys(
            ("PipelineName", "PipelineExecutionDisplayName", "PipelineParameters", "ClientRequestToken"), ANY
        )
        sagemaker.add_response("start_pipeline_execution", {"PipelineExecutionArn": RUN}, expected)
        answer = handler.handle(arrival(), None)
    assert json.loads(capsys.readouterr().out) == answer
    assert answer["run"] == RUN
