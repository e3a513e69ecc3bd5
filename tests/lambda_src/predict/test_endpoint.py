import json
import time
from collections.abc import Iterator

import botocore.exceptions
import pytest

from lambda_src.predict.breaker import FAILURES, Breaker
from lambda_src.predict.endpoint import Classification, Endpoint, Wish, read_answer
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.aws_server import AwsServer, aws_server
from tests.lambda_src.predict.samples import PREDICTIONS, VECTOR

FOUND = json.dumps({"predictions": PREDICTIONS, "model_version": "7"}).encode()


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        running.body = FOUND
        running.headers = {"x-Amzn-Invoked-Production-Variant": "primary"}
        yield running


def endpoint(server: AwsServer, *, answer_seconds: float = 2, breaker: Breaker | None = None) -> Endpoint:
    return Endpoint(server.service(answer_seconds), "whippet-test", breaker)


def classify(asked: Endpoint, wish: Wish = Wish(3)) -> Classification:  # noqa: B008 - frozen
    return asked.classify(b"image", "image/png", wish)


def refusal_of(asked: Endpoint) -> Refusal:
    with pytest.raises(Refusal) as refused:
        classify(asked)
    return refused.value


def test_what_the_endpoint_says_is_read(server: AwsServer) -> None:
    assert classify(endpoint(server)) == Classification(PREDICTIONS, "7", "primary")


def test_the_models_own_times_are_read_and_nothing_else_that_stands_there(server: AwsServer) -> None:
    odd = "Set-Cookie: a;dur=1\x00, b;dur=x"
    server.headers["X-Amzn-SageMaker-Custom-Attributes"] = f"decode;dur=1.5, infer;dur=20, {odd}"
    assert classify(endpoint(server)).model_ms == {"decode": 1.5, "infer": 20.0}


def test_a_vector_is_read_as_it_comes(server: AwsServer) -> None:
    server.body = json.dumps(VECTOR).encode()
    assert classify(endpoint(server), Wish(3, raw=True)) == Classification([], "", "primary", raw=VECTOR)


@pytest.mark.parametrize(("wish", "attributes"), [(Wish(3), "top_k=3"), (Wish(3, raw=True), "output=vector")])
def test_the_endpoint_is_asked_as_botocores_client_would(server: AwsServer, wish: Wish, attributes: str) -> None:
    classify(endpoint(server), wish)
    server.client().invoke_endpoint(
        EndpointName="whippet-test",
        Body=b"image",
        ContentType="image/png",
        Accept="application/json",
        CustomAttributes=attributes,
    )
    ours, theirs = server.asked
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    for name in ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes"):
        assert ours.headers[name] == theirs.headers[name], name


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"7", b"{}", b'{"predictions": 7, "model_version": "1"}', b'{"predictions": [0.1, 0.9]}']
)
def test_an_answer_of_another_shape_is_a_bad_gateway(server: AwsServer, body: bytes) -> None:
    server.body = body
    assert refusal_of(endpoint(server)).status == 502


def model_says(server: AwsServer, status: int, message: str) -> None:
    server.refuse("ModelError", 424, Message="Received error", OriginalStatusCode=status, OriginalMessage=message)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_model_says_of_the_image_is_passed_on(server: AwsServer, status: int) -> None:
    model_says(server, status, json.dumps({"error": {"code": "corrupt", "message": "The JPEG is cut off."}}))
    refusal = refusal_of(endpoint(server))
    assert (refusal.status, refusal.code, refusal.message) == (status, "corrupt", "The JPEG is cut off.")


@pytest.mark.parametrize(
    "message", ["", "Traceback: secret", "[]", '{"error": "secret"}', '{"error": {"code": 1, "message": "secret"}}']
)
def test_an_error_in_another_shape_is_not_passed_on(server: AwsServer, message: str) -> None:
    model_says(server, 422, message)
    refusal = refusal_of(endpoint(server))
    assert refusal.status == 502
    assert "secret" not in refusal.message


@pytest.mark.parametrize(
    ("status", "answered", "retry_after_seconds"), [(429, 429, 1), (503, 503, 10), (500, 502, None), (404, 502, None)]
)
def test_the_models_own_trouble_is_mapped(
    server: AwsServer, status: int, answered: int, retry_after_seconds: int | None
) -> None:
    model_says(server, status, json.dumps({"error": {"code": "busy", "message": "internal words"}}))
    refusal = refusal_of(endpoint(server))
    assert (refusal.status, refusal.retry_after_seconds) == (answered, retry_after_seconds)
    assert "internal words" not in refusal.message


def test_a_model_that_sagemaker_gave_up_on_is_a_time_out(server: AwsServer) -> None:
    model_says(server, 0, "Your invocation timed out while waiting for a response from container primary.")
    refusal = refusal_of(endpoint(server))
    assert (refusal.status, refusal.retry_after_seconds) == (504, 1)


@pytest.mark.parametrize(
    ("code", "status", "answered", "retry_after_seconds"),
    [
        ("ThrottlingException", 400, 429, 1),
        ("ModelNotReadyException", 429, 503, 10),
        ("ServiceUnavailable", 503, 503, 10),
        ("InternalDependencyException", 530, 503, 10),
        ("InternalFailure", 500, 503, 10),
        ("ValidationError", 400, 503, 10),
        ("SomethingNew", 502, 503, 10),
        ("AccessDeniedException", 403, 502, None),
        ("ExpiredTokenException", 403, 502, None),
        ("UnrecognizedClientException", 403, 502, None),
        ("413", 413, 413, None),
    ],
)
def test_an_aws_error_is_mapped_and_its_words_go_to_the_log_alone(
    server: AwsServer, code: str, status: int, answered: int, retry_after_seconds: int | None
) -> None:
    server.refuse(code, status, message="arn:aws:iam::123456789012:role/secret")
    refusal = refusal_of(endpoint(server))
    assert (refusal.status, refusal.retry_after_seconds) == (answered, retry_after_seconds)
    assert "arn:aws" not in refusal.message
    if answered != 413:
        assert f"{code}: arn:aws" in (refusal.detail or "")


@pytest.mark.parametrize("code", ["ModelError", "ValidationError", "ServiceUnavailable"])
def test_an_error_has_the_name_that_botocore_reads(server: AwsServer, code: str) -> None:
    server.refuse(code, 400, Message="Words.", OriginalStatusCode=500, OriginalMessage="x")
    refusal_of(endpoint(server))
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        server.client().invoke_endpoint(EndpointName="e", Body=b"")
    assert failed.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(("status", "answered"), [(424, 502), (429, 503), (503, 503), (403, 502)])
def test_an_answer_without_a_name_is_known_by_its_status(server: AwsServer, status: int, answered: int) -> None:
    server.status, server.headers, server.body = status, {}, b"<html>"
    assert refusal_of(endpoint(server)).status == answered


def test_a_silent_endpoint_is_given_up_once(server: AwsServer) -> None:
    server.meanwhile = lambda: time.sleep(0.5)
    refusal = refusal_of(endpoint(server, answer_seconds=0.2))
    assert (refusal.status, refusal.retry_after_seconds, len(server.asked)) == (504, 1, 1)


def test_credentials_that_are_missing_are_the_operators_matter(server: AwsServer) -> None:
    asked = Endpoint(server.service(AWS_ACCESS_KEY_ID=""), "whippet-test")
    refusal = refusal_of(asked)
    assert (refusal.status, refusal.detail) == (502, "AWS_ACCESS_KEY_ID is not set")


def test_an_endpoint_that_is_down_is_left_alone_and_callers_told_when_to_come_back(server: AwsServer) -> None:
    clock = [0.0]
    asked = endpoint(server, breaker=Breaker(lambda: clock[0]))
    server.refuse("ServiceUnavailable", 503)
    for _ in range(FAILURES):
        refusal_of(asked)
    clock[0] = 3.5
    refusal = refusal_of(asked)
    assert (refusal.status, refusal.retry_after_seconds) == (503, 7)
    assert len(server.asked) == FAILURES
    clock[0] = 11
    server.status, server.headers, server.body = 200, {}, FOUND
    assert classify(asked).model_version == "7"
    assert classify(asked).model_version == "7"


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("AccessDeniedException", 403)])
def test_an_endpoint_that_answers_is_not_left_alone(server: AwsServer, code: str, status: int) -> None:
    server.refuse(code, status)
    asked = endpoint(server)
    for _ in range(FAILURES + 2):
        refusal_of(asked)
    assert len(server.asked) == FAILURES + 2


def test_the_servers_answer_is_the_same_in_a_bucket() -> None:
    assert read_answer(FOUND, "") == Classification(PREDICTIONS, "7", "")
