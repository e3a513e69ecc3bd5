"""What `ops predict` makes of pictures, answers and refusals, and of what only AWS itself can say."""

import email.message
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ops.account import Account
from ops.asking.answer import Answered, AnswerError, hops, read, refusal
from ops.asking.batching import refuse_unwritable
from ops.asking.pictures import Picture, PictureError, found, kind_of
from ops.asking.predicting import NOT_ASKED, _asked
from ops.asking.target import target_for
from ops.asking.through_api import Reply, ThroughApi
from ops.asking.through_endpoint import ThroughEndpoint
from ops.asking.through_function import ThroughFunction
from ops.asking.transform import Batches, Result
from ops.asking.transform import read as result_of
from ops.errors import NotReached, OperatorError
from ops.weather import sentence_of

JPEG = b"\xff\xd8\xffrest"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
GOOD = {"predictions": [{"label": "dog", "probability": 0.9}], "model_version": "7", "variant": "primary"}


def test_each_hop_is_told_without_what_lies_behind_it():
    timing = "model-decode;dur=2, model-infer;dur=20, fetch;dur=5, endpoint;dur=30, function;dur=40"
    spent, steps = hops("api", 100.0, timing)
    assert spent == {"api": 60.0, "function": 5.0, "fetch": 5.0, "endpoint": 8.0, "model": 22.0, "total": 100.0}
    assert steps == {"decode": 2.0, "infer": 20.0}
    assert hops("api", 10.0, "") == ({"api": 10.0, "total": 10.0}, {})
    assert hops("endpoint", 1.0, "model-infer;dur=1.2")[0]["endpoint"] == 0.0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"predictions": []}', b"<html>"])
def test_an_answer_that_is_none_is_a_sentence(body):
    with pytest.raises(AnswerError, match="one.jpg: the answer cannot be read"):
        read("one.jpg", body)
    assert "cannot be read" in result_of("one.jpg", body).error


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"code": "x", "message": "The image is damaged."}}', "The image is damaged."),
        (b'{"message": "Too Many Requests"}', "Too Many Requests"),
        (b"plain", "plain"),
        (b"", "nothing"),
        (b'"text"', '"text"'),
    ],
)
def test_a_refusal_keeps_the_words_of_who_refused(body, said):
    assert str(refusal("one.jpg", "the API", 422, body)) == f"one.jpg: the API answered 422: {said}"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF0000WEBP", "image/webp"),
    ],
)
def test_a_picture_is_what_its_first_bytes_say(content, kind):
    assert kind_of(content, "x") == kind
    with pytest.raises(PictureError, match="x is no JPEG, PNG, WebP or GIF file"):
        kind_of(content[1:], "x")


def test_words_that_lead_nowhere_are_sentences(tmp_path):
    (tmp_path / "empty").mkdir()
    for word, said in {
        "gone.jpg": "There is no file gone.jpg",
        "http://a/b": "is no https link",
        str(tmp_path / "empty"): "holds no pictures",
    }.items():
        with pytest.raises(OperatorError, match=said):
            found([word], None)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PictureError, match="is empty"):
        found([str(tmp_path / "empty.jpg")], None)[0].read(None)


def test_what_a_folder_holds_beside_pictures_is_left_out_and_told(tmp_path, capsys):
    for name in ("b.JPG", "a.png", ".hidden.jpg", "1.heic", "2.txt", "3.txt", "4.txt"):
        (tmp_path / name).write_bytes(JPEG)
    assert [one.name for one in found([str(tmp_path)], None)] == ["a.png", "b.JPG"]
    said = "Left out, as no .jpg, .jpeg, .png, .webp, .gif: 1.heic, 2.txt, 3.txt and 1 more.\n"
    assert capsys.readouterr().err == said


def test_an_api_with_tokens_wants_one_and_shows_it():
    account = Account("us-east-1", {})
    url = "https://abc.execute-api.us-east-1.amazonaws.com/"
    with pytest.raises(OperatorError, match="in the variable WHIPPET_TOKEN"):
        target_for(account, url, "jwt", None)
    target = target_for(account, url, "jwt", "secret")
    assert target.sign("POST", "/predict", b"", {"X": "y"})["Authorization"] == "Bearer secret"
    assert "Authorization" not in target_for(account, url, "none", "secret").sign("POST", "/predict", b"", {})


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "one.jpg"
    file.write_bytes(JPEG)
    return Picture("one.jpg", file=file)


@pytest.fixture
def function():
    client = boto3.client("lambda", **KEYS)
    with Stubber(client) as stub:
        yield stub, ThroughFunction(client, None, "predict", "bucket", 3, 1000, 2000, 0.0, 0.0)


class Api:
    """An API as `Target` knows one, that answers each request with the next of these, or is not there."""

    host = "api.example.com"

    def __init__(self, *replies):
        self._replies = list(replies)

    def sign(self, *_):
        return {}

    def connect(self):
        raise ConnectionRefusedError(111, "Connection refused")

    def way(self, monkeypatch):
        way = ThroughApi(self, None, None, 1000, 2000, 0.0, 0.0, None)
        if self._replies:
            monkeypatch.setattr(ThroughApi, "_send", lambda *_: self._replies.pop(0))
        monkeypatch.setattr("ops.asking.through_api.FIRST_WAIT_SECONDS", 0)
        return way


def reply(status, body=b"{}"):
    return Reply(status, email.message.Message(), body)


def test_an_api_that_is_not_reached_or_does_not_let_us_is_no_fault_of_the_picture(picture, monkeypatch):
    for api, said in (
        (Api(), "The API at api.example.com cannot be reached: .*refused"),
        (Api(reply(401)), "does not take this token"),
        (Api(reply(403)), "they need execute-api:Invoke"),
    ):
        with monkeypatch.context() as patch, pytest.raises(NotReached, match=said):
            api.way(patch).ask(picture)


def test_an_api_that_throttles_is_asked_again_and_then_told_of(picture, monkeypatch):
    good = reply(200, json.dumps(GOOD).encode())
    assert Api(reply(429), reply(503), good).way(monkeypatch).ask(picture).label == "dog"
    with pytest.raises(AnswerError, match="the API answered 429: Too Many Requests"):
        Api(*[reply(429, b'{"message": "Too Many Requests"}')] * 6).way(monkeypatch).ask(picture)


class Weather:
    """A way to a model that is there for so many pictures."""

    def __init__(self, good, error):
        self._good, self._error = good, error

    def ask(self, picture):
        if picture.name == "broken":
            raise AnswerError("broken: no picture")
        if not self._good:
            raise self._error
        self._good -= 1
        return Answered(picture.name, GOOD["predictions"])


def test_what_was_answered_before_aws_was_lost_stays_and_nothing_is_asked_after_it():
    expired = ClientError({"Error": {"Code": "ExpiredTokenException"}}, "InvokeEndpoint")
    names = ["one", "broken", "two", "three", "four"]
    answers, lost = _asked(Weather(2, expired), [Picture(name) for name in names], at_once=1)
    assert [one.label for one in answers] == ["dog", "", "dog", "", ""]
    assert [one.error for one in answers[1:]] == ["broken: no picture", "", NOT_ASKED, NOT_ASKED]
    assert isinstance(lost, NotReached)


def payload(document):
    content = json.dumps(document).encode()
    return StreamingBody(io.BytesIO(content), len(content))


def test_a_function_that_throttles_ends_in_one_sentence(function, picture):
    stub, way = function
    stub.add_client_error("invoke", "TooManyRequestsException", "Rate Exceeded.", http_status_code=429)
    with pytest.raises(ClientError) as raised:
        way.ask(picture)
    said = sentence_of(raised.value)
    assert isinstance(said, NotReached)
    assert "AWS slows us down (TooManyRequestsException at Invoke)" in str(said)


def test_a_function_that_fails_itself_is_told_with_its_words(function, picture):
    stub, way = function
    stub.add_response("invoke", {"FunctionError": "Unhandled", "Payload": payload({"errorMessage": "timed out"})})
    with pytest.raises(AnswerError, match=r"the function itself failed \(Unhandled\).*timed out"):
        way.ask(picture)


def test_a_result_that_waits_is_asked_for_until_it_is_there(function, picture):
    stub, way = function
    way = ThroughFunction(way.client, None, "predict", "bucket", 3, 1000, 2000, 60.0, 0.0)
    waiting = {"statusCode": 202, "headers": {}, "body": json.dumps({"id": "x"})}
    good = {"statusCode": 200, "headers": {"server-timing": "function;dur=1"}, "body": json.dumps(GOOD)}
    for answer in (waiting, waiting, good):
        stub.add_response("invoke", {"Payload": payload(answer)})
    assert way.ask(picture).label == "dog"


def test_an_image_beyond_every_limit_is_refused_before_it_is_sent(function, picture):
    _, way = function
    picture.file.write_bytes(JPEG + bytes(3000))
    with pytest.raises(AnswerError, match=r"the function takes 1,000 in a request and 2,000 by upload: scale it down"):
        way.ask(picture)


def test_a_model_error_is_the_models_own_sentence_and_others_are_the_weathers(picture):
    client = boto3.client("sagemaker-runtime", **KEYS)
    way = ThroughEndpoint(client, None, "endpoint", "bucket", False, 3, 0.0, 0.0)
    own = json.dumps({"error": {"code": "image_unreadable", "message": "The image is damaged."}})
    with Stubber(client) as stub:
        stub.add_client_error(
            "invoke_endpoint",
            "ModelError",
            "Received client error",
            http_status_code=424,
            modeled_fields={"OriginalMessage": own, "OriginalStatusCode": 422},
        )
        with pytest.raises(AnswerError, match="the model answered 422: The image is damaged."):
            way.ask(picture)
        stub.add_client_error("invoke_endpoint", "ExpiredTokenException", "expired")
        with pytest.raises(ClientError) as raised:
            way.ask(picture)
    assert "have expired" in str(sentence_of(raised.value))


def test_times_of_the_registry_are_told_with_their_zone():
    from ops.models.registry import version_of  # noqa: PLC0415

    told = version_of(
        {
            "ModelPackageVersion": 3,
            "ModelPackageArn": "arn",
            "ModelApprovalStatus": "Approved",
            "CreationTime": datetime(2026, 11, 21, 12, tzinfo=UTC),
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://b/models/x/model.tar.gz"}]},
        }
    )
    assert datetime.fromisoformat(told.registered) == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert (told.artifact, told.run) == ("models/x/model.tar.gz", "")


class Bucket:
    """What is asked of S3 by an upload: what is there, and each file that comes."""

    def __init__(self):
        self.sent = []

    def get_paginator(self, _):
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: iter(())))

    def put_object(self, Bucket, Key, Body):
        self.sent.append(Path(Body.name).name)


def test_a_batch_keeps_back_what_would_fail_the_whole_job(tmp_path, monkeypatch):
    bucket = Bucket()
    stage = SimpleNamespace(client=lambda _: bucket, output=lambda *_: "bucket")
    (tmp_path / "good.jpg").write_bytes(JPEG)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no picture")
    monkeypatch.setattr("ops.asking.pictures.LARGEST_BYTES", 100)
    (tmp_path / "large.jpg").write_bytes(JPEG + bytes(100))
    prefix, refused = Batches(stage).upload(tmp_path, lambda _: None)
    assert bucket.sent == ["good.jpg"]
    assert re.fullmatch("batch/input/[0-9a-f]{20}/", prefix)
    assert [one.error for one in refused] == [
        "empty.jpg is empty.",
        "large.jpg has more than the 100 bytes that an endpoint takes.",
        "text.png is no JPEG, PNG, WebP or GIF file.",
    ]
    (tmp_path / "good.jpg").unlink()
    with pytest.raises(OperatorError, match="no file can be predicted: empty.jpg is empty"):
        Batches(stage).upload(tmp_path, lambda _: None)


class Kept:
    """A bucket with a picture, and SageMaker; what is put stays."""

    def __init__(self):
        self.objects = {"batch/input/p/good.jpg": JPEG}
        self.started = []

    def get_paginator(self, _):
        def paginate(Bucket, Prefix):
            return SimpleNamespace(search=lambda _: [key for key in self.objects if key.startswith(Prefix)])

        return SimpleNamespace(paginate=paginate)

    def put_object(self, Bucket, Key, Body):
        self.objects[Key] = Body

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def create_transform_job(self, **asked):
        self.started.append(asked)


def test_who_comes_back_to_a_batch_finds_also_what_was_kept_back():
    account = Kept()
    stage = SimpleNamespace(
        client=lambda _: account,
        output=lambda *_: "bucket",
        names=SimpleNamespace(own_jobs="whippet-dev-"),
        config=SimpleNamespace(serving=SimpleNamespace(instance_type="ml.m5.large")),
    )
    refused = [Result("empty.jpg", error="empty.jpg is empty.")]
    job = Batches(stage).start("batch/input/p/", refused, instance_type=None, instances=1)
    (asked,) = account.started
    # It is no input of the job, and no answer of it.
    assert account.objects.keys() == {"batch/input/p/good.jpg", f"batch/output/{job}/refused.json"}
    assert Batches(stage).done(asked) == 0
    assert list(Batches(stage).results(asked)) == [Result("good.jpg", error="there is no answer"), *refused]


@pytest.mark.parametrize("place", ["gone/x.csv", ".", "locked/x.csv"])
def test_a_batch_is_not_begun_where_its_results_have_nowhere_to_go(tmp_path, place, monkeypatch):
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr("os.access", lambda path, _mode: path.name != "locked")
    with pytest.raises(OperatorError, match="cannot be written: name another file with --out"):
        refuse_unwritable(tmp_path / place)
    refuse_unwritable(tmp_path / "new.csv")
