import json
from typing import Any

import pytest

from lambda_src.predict.links import Link
from lambda_src.predict.refusals import Refusal
from lambda_src.predict.service import Service
from lambda_src.predict.settings import Settings
from tests.lambda_src.predict.samples import ENVIRONMENT, JPEG, PREDICTIONS, StubEndpoint, http_event, json_event

URL = "https://images.example.com/dog.jpg?signature=abc123"


class StubFetcher:
    def __init__(self) -> None:
        self.image = JPEG
        self.links: list[Link] = []

    def fetch(self, link: Link) -> bytes:
        self.links.append(link)
        return self.image


class Harness:
    """A service with everything around it stubbed."""

    def __init__(self) -> None:
        self.endpoint = StubEndpoint()
        self.fetcher = StubFetcher()
        self.log: list[dict[str, Any]] = []
        self.service = Service(
            settings=Settings.from_environment(ENVIRONMENT),
            endpoint=self.endpoint,
            fetcher=self.fetcher,
            write_log=self.log.append,
        )

    def answer(self, event: object) -> dict[str, Any]:
        return self.service.answer(event, "request-1")


@pytest.fixture
def harness() -> Harness:
    return Harness()


IMAGE_EVENT = http_event("POST", "/predict", body=JPEG, content_type="image/png")


@pytest.mark.parametrize(
    "event", [IMAGE_EVENT, json_event({"url": URL}), {"url": URL}], ids=["image", "json", "direct"]
)
def test_every_way_of_asking_gets_the_same_answer(harness: Harness, event: dict[str, Any]) -> None:
    answer = harness.answer(event)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {
        "predictions": PREDICTIONS,
        "model_version": "starter-1",
        "variant": "primary",
        "request_id": "request-1",
    }


def test_the_endpoint_gets_the_type_that_the_bytes_show(harness: Harness) -> None:
    harness.answer(IMAGE_EVENT)
    assert harness.endpoint.asked == [(JPEG, "image/jpeg", 5)]


def test_the_request_may_ask_for_another_number_of_labels(harness: Harness) -> None:
    harness.answer({"url": URL, "top_k": 2})
    assert harness.endpoint.asked[0][2] == 2


def test_the_url_is_fetched_with_its_query(harness: Harness) -> None:
    harness.answer({"url": URL})
    assert harness.fetcher.links == [Link("images.example.com", "/dog.jpg?signature=abc123")]


def test_what_was_fetched_is_checked_like_what_was_sent(harness: Harness) -> None:
    harness.fetcher.image = b"\xff\xd8\xff\xd9"
    assert harness.answer({"url": URL})["statusCode"] == 422
    assert harness.endpoint.asked == []


def test_a_refusal_is_answered_with_its_code_and_sentence(harness: Harness) -> None:
    harness.endpoint.failure = Refusal("overloaded", "Try again.", retry_after_seconds=1)
    answer = harness.answer(IMAGE_EVENT)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (429, "1")
    assert json.loads(answer["body"]) == {
        "error": {"code": "overloaded", "message": "Try again."},
        "request_id": "request-1",
    }


def test_an_unforeseen_error_is_answered_without_its_words(harness: Harness) -> None:
    harness.endpoint.failure = RuntimeError("secret")
    answer = harness.answer(IMAGE_EVENT)
    assert answer["statusCode"] == 500
    assert "secret" not in answer["body"]
    assert "Traceback" not in answer["body"]


def test_an_unforeseen_error_is_logged_with_its_place_but_not_its_words(harness: Harness) -> None:
    harness.endpoint.failure = RuntimeError("secret")
    harness.answer(IMAGE_EVENT)
    assert (harness.log[0]["outcome"], harness.log[0]["error"]) == ("internal", "RuntimeError")
    assert harness.log[0]["trace"][-1].startswith("samples.py:")
    assert "secret" not in json.dumps(harness.log)


def test_one_record_is_logged_with_times_and_sizes(harness: Harness) -> None:
    harness.answer({"url": URL})
    assert len(harness.log) == 1
    record = harness.log[0]
    assert {"fetch_ms", "invoke_ms", "total_ms"} <= record.keys()
    expected = {"request_id": "request-1", "outcome": "ok", "status": 200, "url_host": "images.example.com"}
    assert expected.items() <= record.items()
    assert (record["image_bytes"], record["image_type"]) == (len(JPEG), "image/jpeg")


def test_the_log_holds_neither_query_nor_image(harness: Harness) -> None:
    harness.answer({"url": URL})
    assert "abc123" not in json.dumps(harness.log)
    assert "dog.jpg" not in json.dumps(harness.log)


def test_the_cause_from_aws_is_logged_and_not_answered(harness: Harness) -> None:
    harness.endpoint.failure = Refusal("endpoint_denied", "Not now.", detail="AccessDenied arn:aws:iam::1:role/r")
    assert "arn:aws" not in harness.answer(IMAGE_EVENT)["body"]
    assert "arn:aws" in harness.log[0]["detail"]


def test_the_health_answer_asks_no_endpoint(harness: Harness) -> None:
    assert json.loads(harness.answer(http_event("GET", "/healthz"))["body"])["status"] == "ok"
    assert harness.endpoint.asked == []


def test_an_unknown_path_is_not_found(harness: Harness) -> None:
    answer = harness.answer(http_event("GET", "/admin"))
    assert answer["statusCode"] == 404
    assert "POST /predict" in answer["body"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("GET", "/predict", "POST"), ("POST", "/", "GET"), ("PUT", "/healthz", "GET")]
)
def test_another_method_is_told_the_one_allowed(harness: Harness, method: str, path: str, allowed: str) -> None:
    answer = harness.answer(http_event(method, path))
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "event", [None, [], "x", 7, {}, {"requestContext": None}, {"requestContext": {}}, {"Records": []}]
)
def test_an_event_of_another_kind_is_a_bad_request(harness: Harness, event: object) -> None:
    assert harness.answer(event)["statusCode"] == 400


@pytest.mark.parametrize("event", [IMAGE_EVENT, http_event("GET", "/healthz"), http_event("GET", "/nowhere"), {}])
def test_every_json_answer_forbids_storing_sniffing_and_framing(harness: Harness, event: dict[str, Any]) -> None:
    headers = harness.answer(event)["headers"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
