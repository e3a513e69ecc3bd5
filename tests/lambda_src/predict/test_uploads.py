"""Places for images that are too large for a request, and what can be read from them."""

from collections.abc import Iterator

import pytest

from lambda_src.predict.objects import Objects
from lambda_src.predict.refusals import Refusal
from lambda_src.predict.uploads import PREFIX, Uploads
from stacks.constructs.buckets import UPLOADS_PREFIX
from tests.lambda_src.predict.aws_server import AwsServer, aws_server
from tests.lambda_src.predict.samples import JPEG, PREDICTIONS, StubEndpoint, http_event, json_event, make_service

MAX_BYTES = 50_000


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        yield running


@pytest.fixture
def uploads(server: AwsServer) -> Uploads:
    objects = Objects(server.bucket("photos"))
    return Uploads(objects, max_bytes=MAX_BYTES, expires_seconds=120)


def refusal_of(uploads: Uploads, key: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        uploads.read(key)
    return refused.value


def test_a_place_is_for_one_image_of_this_type_and_size(uploads: Uploads) -> None:
    offered = uploads.offer("image/png", 12_345)
    assert str(offered["key"]).startswith("uploads/")
    assert f"/photos/{offered['key']}?" in str(offered["url"])
    assert "X-Amz-Expires=120" in str(offered["url"])
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in str(offered["url"])
    assert offered["headers"] == {"content-length": "12345", "content-type": "image/png"}


def test_no_two_places_are_the_same_and_each_key_is_long(uploads: Uploads) -> None:
    keys = {str(uploads.offer("image/png", 1)["key"]) for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {len("uploads/") + 32}


@pytest.mark.parametrize(("kind", "length", "status"), [("image/svg+xml", 5, 415), ("image/png", MAX_BYTES + 1, 413)])
def test_a_place_for_something_else_is_not_given(uploads: Uploads, kind: str, length: int, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        uploads.offer(kind, length)
    assert refused.value.status == status


def test_an_upload_is_read_from_its_bucket_by_a_signed_request(server: AwsServer, uploads: Uploads) -> None:
    server.body = JPEG
    assert uploads.read("uploads/abc_-.jpg") == JPEG
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/photos/uploads/abc_-.jpg")
    assert "/eu-west-1/s3/aws4_request" in asked.headers["Authorization"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "uploads",
        "uploads/",
        "uploads//a",
        "uploads/../models/a",
        "uploads/a/../../models/a",
        "uploads/./a",
        "uploads/a?versionId=1",
        "uploads/a%2e",
        "uploads/a\n",
        "/uploads/a",
        "models/a",
        "dataset/uploads/a",
        "uploads/ü",
        "uploads/" + "a" * 101,
        "uploads" + "/a" * 9,
    ],
)
def test_nothing_outside_the_prefix_is_ever_asked_for(server: AwsServer, uploads: Uploads, key: str) -> None:
    assert refusal_of(uploads, key).status == 400
    assert server.asked == []


@pytest.mark.parametrize("status", [403, 404])
def test_an_upload_that_is_not_there_is_not_found(server: AwsServer, uploads: Uploads, status: int) -> None:
    server.status = status
    assert refusal_of(uploads, "uploads/a").status == 404


def test_an_upload_beyond_the_limit_is_refused_unread(server: AwsServer, uploads: Uploads) -> None:
    server.body = b"0" * (MAX_BYTES + 1)
    assert refusal_of(uploads, "uploads/a").status == 413


@pytest.mark.parametrize("status", [500, 503, 301])
def test_a_bucket_in_trouble_is_told_apart_from_a_bad_key(server: AwsServer, uploads: Uploads, status: int) -> None:
    server.status = status
    refusal = refusal_of(uploads, "uploads/a")
    assert (refusal.status, refusal.retry_after_seconds) == (503, 2)


def test_the_prefix_is_the_one_that_the_role_may_use() -> None:
    assert PREFIX == UPLOADS_PREFIX


def test_the_api_gives_a_place_and_predicts_what_was_put_there(server: AwsServer, uploads: Uploads) -> None:
    service = make_service(uploads=uploads, UPLOAD_BUCKET="photos")
    body = b'{"content_type": "image/jpeg", "bytes": 631}'
    offered = service.answer(http_event("POST", "/uploads", body=body, content_type="application/json"), "r")
    assert offered["statusCode"] == 201
    server.body = JPEG
    assert service.answer(json_event({"s3": {"key": "uploads/a"}}), "r")["statusCode"] == 200


def test_what_was_uploaded_is_checked_like_what_was_sent(server: AwsServer, uploads: Uploads) -> None:
    endpoint = StubEndpoint()
    server.body = b"<svg/>"
    answer = make_service(endpoint=endpoint, uploads=uploads).answer({"s3": {"key": "uploads/a"}}, "r")
    assert (answer["statusCode"], endpoint.asked) == (415, [])


def test_a_service_without_uploads_says_so() -> None:
    answer = make_service().answer({"s3": {"key": "uploads/a"}}, "r")
    assert answer["statusCode"] == 400
    assert "takes no uploads" in answer["body"]


def test_the_log_holds_no_url_to_write_with(uploads: Uploads) -> None:
    log: list = []
    body = b'{"content_type": "image/jpeg", "bytes": 631}'
    event = http_event("POST", "/uploads", body=body, content_type="application/json")
    make_service(uploads=uploads, log=log).answer(event, "r")
    assert "Signature" not in str(log)
    assert (log[0]["route"], log[0]["status"]) == ("POST /uploads", 201)


def test_predictions_of_an_upload_are_those_of_any_image(server: AwsServer, uploads: Uploads) -> None:
    server.body = JPEG
    answer = make_service(uploads=uploads).answer({"s3": {"key": "uploads/a"}}, "r")
    assert str(PREDICTIONS[0]["label"]) in answer["body"]
