import base64
import json
import textwrap
from dataclasses import replace
from typing import Any

import pytest

from lambda_src.predict.payload import (
    Limits,
    PredictionRequest,
    Source,
    method_and_path,
    read_http,
    read_json,
    read_upload,
)
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.samples import JPEG, http_event, json_event

MAX_BYTES = 10_000
LIMITS = Limits(max_image_bytes=MAX_BYTES, max_images=4)
BASE64 = base64.b64encode(JPEG).decode()


def one(**source: Any) -> PredictionRequest:
    return PredictionRequest(sources=(Source(**source),))


def refusal_of(event: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read_http(event, LIMITS)
    return refused.value


@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "IMAGE/PNG", "image/webp; q=1", "application/octet-stream", None]
)
def test_image_bytes_are_taken_from_the_body(content_type: str | None) -> None:
    event = http_event("POST", "/predict", body=JPEG, content_type=content_type)
    assert read_http(event, LIMITS) == one(image=JPEG)


def test_the_number_of_labels_is_taken_from_the_query() -> None:
    event = http_event("POST", "/predict", body=JPEG, content_type="image/jpeg", query={"top_k": "3"})
    assert read_http(event, LIMITS).top_k == 3


def test_the_query_serves_json_too_but_the_body_goes_before_it() -> None:
    event = json_event({"url": "https://example.com/"})
    event["queryStringParameters"] = {"top_k": "3"}
    assert read_http(event, LIMITS).top_k == 3
    event["body"] = json.dumps({"url": "https://example.com/", "top_k": 7})
    assert read_http(event, LIMITS).top_k == 7


def test_a_url_is_taken_from_json() -> None:
    assert read_http(json_event({"url": " https://a.example/x "}), LIMITS) == one(url="https://a.example/x")


def test_json_that_arrives_in_base64_is_read() -> None:
    event = json_event({"url": "https://a.example/x"})
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert read_http(event, LIMITS).sources[0].url == "https://a.example/x"


@pytest.mark.parametrize("text", [BASE64, "\n".join(textwrap.wrap(BASE64, 76)) + "\n"], ids=["one line", "wrapped"])
def test_an_image_in_base64_is_taken_from_json(text: str) -> None:
    assert read_json({"image": text, "top_k": 2}, LIMITS) == replace(one(image=JPEG), top_k=2)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "https://example.com/",
        None,
        7,
        {"url": None},
        {"url": 7},
        {"url": ["https://example.com/"]},
        {"image": 7},
        {"image": ""},
        {"image": "not base64!"},
        {"image": "data:image/jpeg;base64," + BASE64},
        {"image": BASE64[:-1]},
        {"image": "ümlaut"},
        {"url": "https://example.com/", "image": BASE64},
        {"url": "https://example.com/", "topk": 3},
        {"url": "https://example.com/", "top_k": 0},
        {"url": "https://example.com/", "top_k": 1001},
        {"url": "https://example.com/", "top_k": True},
        {"url": "https://example.com/", "top_k": "3"},
        {"url": "https://example.com/", "top_k": 2.0},
    ],
)
def test_json_of_another_shape_is_a_bad_request(content: object) -> None:
    refusal = refusal_of(json_event(content))
    assert refusal.status == 400
    assert refusal.message.endswith(".")


@pytest.mark.parametrize(
    "body", ["{", "", "nul", "[" * 100_000, '{"url": "x"}}', "\ufeff{}", '{"top_k": ' + "9" * 5000 + "}"]
)
def test_a_body_that_is_no_json_is_a_bad_request(body: str) -> None:
    event = json_event({})
    event["body"] = body
    assert refusal_of(event).status == 400


@pytest.mark.parametrize("top_k", ["", "0", "-1", "1001", "5,6", "5.0", "five", "٣", "9" * 5000])
def test_a_wrong_number_of_labels_in_the_query_is_a_bad_request(top_k: str) -> None:
    event = http_event("POST", "/predict", body=JPEG, content_type="image/jpeg", query={"top_k": top_k})
    assert '"top_k" must be a whole number from 1 to 1000' in refusal_of(event).message


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/mixed", "application/x-www-form-urlencoded", "x"])
def test_another_content_type_is_refused_with_what_is_supported(content_type: str) -> None:
    refusal = refusal_of(http_event("POST", "/predict", body=b"x=1", content_type=content_type))
    assert refusal.status == 415
    assert "image/jpeg" in refusal.message


@pytest.mark.parametrize("content_type", ["image/jpeg", None])
def test_an_empty_body_is_a_bad_request(content_type: str | None) -> None:
    assert refusal_of(http_event("POST", "/predict", content_type=content_type)).status == 400


@pytest.mark.parametrize("size", [MAX_BYTES + 1, MAX_BYTES + 2, MAX_BYTES + 3, MAX_BYTES * 3])
def test_an_image_beyond_the_limit_is_refused_in_every_form(size: int) -> None:
    assert refusal_of(http_event("POST", "/predict", body=b"\xff" * size, content_type="image/jpeg")).status == 413
    assert refusal_of(json_event({"image": base64.b64encode(b"\xff" * size).decode()})).status == 413


def test_an_image_at_the_limit_is_taken() -> None:
    event = http_event("POST", "/predict", body=b"\xff" * MAX_BYTES, content_type="image/jpeg")
    assert len(read_http(event, LIMITS).sources[0].image or b"") == MAX_BYTES


@pytest.mark.parametrize(
    ("route_key", "stage", "raw_path", "path"),
    [
        ("POST /predict", "$default", "/predict", "/predict"),
        ("POST /predict", "dev", "/dev/predict", "/predict"),
        ("POST /predict", "$default", "/mapped/predict", "/predict"),
        ("ANY /{proxy+}", "dev", "/dev/predict", "/predict"),
        ("$default", "dev", "/dev", "/"),
        ("$default", "dev", "/dev/", "/"),
        ("$default", "dev", "/developers", "/developers"),
        ("$default", "$default", "/", "/"),
    ],
)
def test_the_path_is_the_routes_own_behind_any_stage(route_key: str, stage: str, raw_path: str, path: str) -> None:
    event = http_event("POST", raw_path)
    event |= {"routeKey": route_key}
    event["requestContext"]["stage"] = stage
    assert method_and_path(event) == ("POST", path)


UPLOAD = {"s3": {"key": "uploads/abc"}}


def test_an_upload_is_taken_by_its_key() -> None:
    assert read_http(json_event(UPLOAD), LIMITS) == one(key="uploads/abc")


def test_several_images_are_taken_from_a_list() -> None:
    request = read_http(json_event({"images": [{"url": "https://a.example/"}, {"image": BASE64}, UPLOAD]}), LIMITS)
    assert request.several
    assert request.sources == (Source(url="https://a.example/"), Source(image=JPEG), Source(key="uploads/abc"))


@pytest.mark.parametrize(
    "content",
    [
        {"images": []},
        {"images": [UPLOAD] * 5},
        {"images": UPLOAD},
        {"images": ["https://a.example/"]},
        {"images": [{}]},
        {"images": [{**UPLOAD, "image": BASE64}]},
        {"images": [{**UPLOAD, "top_k": 3}]},
        {"images": [UPLOAD], "url": "https://a.example/"},
        {"s3": "uploads/abc"},
        {"s3": {"key": 7}},
        {"s3": {"bucket": "b", "key": "uploads/abc"}},
        {**UPLOAD, "raw": "yes"},
        {**UPLOAD, "raw": 1},
    ],
)
def test_lists_and_keys_of_another_shape_are_bad_requests(content: object) -> None:
    refusal = refusal_of(json_event(content))
    assert refusal.status == 400
    assert refusal.message.endswith(".")


@pytest.mark.parametrize(("text", "raw"), [("true", True), ("FALSE", False), (None, None)])
def test_the_vector_is_asked_for_in_the_query(text: str | None, raw: bool | None) -> None:
    event = http_event("POST", "/predict", body=JPEG, query={"raw": text} if text else None)
    assert read_http(event, LIMITS).raw is raw


@pytest.mark.parametrize("text", ["", "1", "yes", "true "])
def test_another_word_for_the_vector_is_a_bad_request(text: str) -> None:
    assert "true or false" in refusal_of(http_event("POST", "/predict", body=JPEG, query={"raw": text})).message


def test_a_wanted_upload_says_type_and_size() -> None:
    assert read_upload({"content_type": "image/png", "bytes": 5_000_000}) == ("image/png", 5_000_000)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"bytes": 5},
        {"content_type": "image/png", "bytes": 0},
        {"content_type": "image/png", "bytes": True},
        {"content_type": "image/png", "bytes": "5"},
        {"content_type": 7, "bytes": 5},
        {"content_type": "image/png", "bytes": 5, "key": "uploads/mine"},
    ],
)
def test_an_upload_of_another_shape_is_a_bad_request(content: object) -> None:
    with pytest.raises(Refusal) as refused:
        read_upload(content)
    assert refused.value.status == 400
