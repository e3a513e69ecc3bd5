import base64
import json
import threading
from typing import Any

import pytest

from lambda_src.predict.endpoint import Classification, Wish
from lambda_src.predict.links import Link
from lambda_src.predict.refusals import STATUS_OF_CODE, Refusal
from tests.lambda_src.events import sample
from tests.lambda_src.predict.samples import (
    JPEG,
    PREDICTIONS,
    VECTOR,
    StubEndpoint,
    StubFetcher,
    http_event,
    json_event,
    make_service,
)

BASE64 = base64.b64encode(JPEG).decode()
URL = "https://images.example.com/dog.jpg?signature=abc123"


class Harness:
    """A service with everything around it stubbed."""

    def __init__(self) -> None:
        self.endpoint = StubEndpoint()
        self.fetcher = StubFetcher()
        self.log: list[dict[str, Any]] = []
        self.service = make_service(endpoint=self.endpoint, fetcher=self.fetcher, log=self.log)

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


def test_a_recorded_event_of_an_http_api_is_answered(harness: Harness) -> None:
    answer = harness.answer(sample("http_api_v2"))
    assert answer["statusCode"] == 200
    assert harness.fetcher.links == [Link("images.example.com", "/dog.jpg")]
    assert harness.endpoint.asked == [(JPEG, "image/jpeg", Wish(2))]
    assert (harness.log[0]["route"], harness.log[0]["url_host"]) == ("POST /predict", "images.example.com")


def test_a_recorded_direct_event_of_the_course_is_answered(harness: Harness) -> None:
    answer = harness.answer(sample("direct"))
    assert answer["statusCode"] == 200
    assert harness.fetcher.links == [Link("images.example.com", "/dog.jpg")]
    assert harness.log[0]["route"] == "direct"


def test_who_asked_is_not_logged(harness: Harness) -> None:
    event = sample("http_api_v2")
    harness.answer(event)
    line, caller = json.dumps(harness.log), event["requestContext"]["authorizer"]["iam"]
    for said in (event["headers"]["user-agent"], event["headers"]["x-forwarded-for"], *filter(None, caller.values())):
        assert said not in line


def test_the_endpoint_gets_the_type_that_the_bytes_show(harness: Harness) -> None:
    harness.answer(IMAGE_EVENT)
    assert harness.endpoint.asked == [(JPEG, "image/jpeg", Wish(5))]


def test_the_request_may_ask_for_another_number_of_labels(harness: Harness) -> None:
    harness.answer({"url": URL, "top_k": 2})
    assert harness.endpoint.asked[0][2] == Wish(2)


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


TWO = {"images": [{"image": BASE64}, {"url": URL}], "top_k": 1}


def test_several_images_are_answered_in_their_order(harness: Harness) -> None:
    answer = harness.answer(json_event(TWO))
    one = {"predictions": PREDICTIONS, "model_version": "starter-1", "variant": "primary"}
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"results": [one, one], "request_id": "request-1"}
    assert (harness.log[0]["images"], harness.log[0]["image_bytes"]) == (2, 2 * len(JPEG))


def test_a_bad_image_among_several_is_told_in_its_place(harness: Harness) -> None:
    answer = harness.answer({"images": [{"image": "aGVsbG8="}, {"image": BASE64}]})
    bad, good = json.loads(answer["body"])["results"]
    assert bad == {
        "error": {
            "code": "image_format_unknown",
            "message": "The data is no image of a known kind; send a JPEG, PNG, WebP or GIF file.",
        }
    }
    assert good["predictions"] == PREDICTIONS
    assert harness.log[0]["outcome"] == "partly_refused"


@pytest.mark.parametrize("code", ["overloaded", "unavailable", "endpoint_timeout", "endpoint_denied"])
def test_what_is_not_about_the_image_fails_all_of_several(harness: Harness, code: str) -> None:
    harness.endpoint.failure = Refusal(code, "No.", retry_after_seconds=3)
    answer = harness.answer(json_event(TWO))
    assert answer["statusCode"] == STATUS_OF_CODE[code]
    assert answer["headers"]["retry-after"] == "3"


def test_several_images_are_asked_for_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=5)

    class Meeting(StubEndpoint):
        def classify(self, image: bytes, content_type: str, wish: Wish) -> Classification:
            together.wait()
            return super().classify(image, content_type, wish)

    answer = make_service(endpoint=Meeting()).answer({"images": [{"image": BASE64}] * 3}, "r")
    assert answer["statusCode"] == 200


def test_the_whole_vector_is_answered_as_the_courses_lambda_did(harness: Harness) -> None:
    for event in ({"url": URL, "raw": True}, http_event("POST", "/predict", body=JPEG, query={"raw": "true"})):
        answer = harness.answer(event)
        assert json.loads(answer["body"]) == VECTOR
        assert (answer["headers"]["x-request-id"], answer["headers"]["x-variant"]) == ("request-1", "primary")
    assert harness.endpoint.asked[0][2] == Wish(5, raw=True)


def test_of_several_each_has_its_vector(harness: Harness) -> None:
    found = json.loads(harness.answer({**TWO, "raw": True})["body"])["results"]
    assert found == [{"raw": VECTOR, "variant": "primary"}] * 2


def test_a_model_cannot_make_up_outcomes_to_be_counted(harness: Harness) -> None:
    harness.endpoint.failure = Refusal("of_its_own", "Too blue.", status=422)
    harness.answer(IMAGE_EVENT)
    assert (harness.log[0]["outcome"], harness.log[0]["code"]) == ("model_refused", "of_its_own")
