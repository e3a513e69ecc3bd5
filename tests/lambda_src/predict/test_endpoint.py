import io
import json
import socket
from collections.abc import Iterator

import botocore.exceptions
import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambda_src.predict.endpoint import Classification, Endpoint, make_client
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.samples import PREDICTIONS

ASKED = {
    "EndpointName": "whippet-test",
    "Body": b"image",
    "ContentType": "image/png",
    "Accept": "application/json",
    "CustomAttributes": "top_k=3",
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = botocore.session.get_session().create_client("sagemaker-runtime")
    with Stubber(client) as stubber:
        yield stubber


def classify(stub: Stubber) -> Classification:
    return Endpoint(stub.client, "whippet-test").classify(b"image", "image/png", 3)


def refusal_of(stub: Stubber) -> Refusal:
    with pytest.raises(Refusal) as refused:
        classify(stub)
    return refused.value


def add_answer(stub: Stubber, body: bytes) -> None:
    stream = StreamingBody(io.BytesIO(body), len(body))
    stub.add_response("invoke_endpoint", {"Body": stream, "InvokedProductionVariant": "primary"}, ASKED)


def add_model_error(stub: Stubber, status: int, message: str) -> None:
    fields = {"OriginalStatusCode": status, "OriginalMessage": message}
    stub.add_client_error("invoke_endpoint", "ModelError", "Received error", 424, modeled_fields=fields)


def test_the_endpoint_is_asked_as_its_server_expects(stub: Stubber) -> None:
    add_answer(stub, json.dumps({"predictions": PREDICTIONS, "model_version": "7"}).encode())
    assert classify(stub) == Classification(PREDICTIONS, "7", "primary")
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"predictions": 7, "model_version": "1"}', b'{"predictions": [0.1, 0.9]}']
)
def test_an_answer_of_another_shape_is_a_bad_gateway(stub: Stubber, body: bytes) -> None:
    add_answer(stub, body)
    assert refusal_of(stub).status == 502


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_model_says_of_the_image_is_passed_on(stub: Stubber, status: int) -> None:
    add_model_error(stub, status, json.dumps({"error": {"code": "corrupt", "message": "The JPEG is cut off."}}))
    refusal = refusal_of(stub)
    assert (refusal.status, refusal.code, refusal.message) == (status, "corrupt", "The JPEG is cut off.")


@pytest.mark.parametrize(
    "message", ["", "Traceback: secret", "[]", '{"error": "secret"}', '{"error": {"code": 1, "message": "secret"}}']
)
def test_an_error_in_another_shape_is_not_passed_on(stub: Stubber, message: str) -> None:
    add_model_error(stub, 422, message)
    refusal = refusal_of(stub)
    assert refusal.status == 502
    assert "secret" not in refusal.message


@pytest.mark.parametrize(
    ("status", "answered", "retry_after_seconds"), [(429, 429, 1), (503, 503, 10), (500, 502, None), (404, 502, None)]
)
def test_the_models_own_trouble_is_mapped(
    stub: Stubber, status: int, answered: int, retry_after_seconds: int | None
) -> None:
    add_model_error(stub, status, json.dumps({"error": {"code": "busy", "message": "internal words"}}))
    refusal = refusal_of(stub)
    assert (refusal.status, refusal.retry_after_seconds) == (answered, retry_after_seconds)
    assert "internal words" not in refusal.message


@pytest.mark.parametrize(
    ("code", "status", "answered"),
    [
        ("ThrottlingException", 400, 429),
        ("ModelNotReadyException", 429, 503),
        ("ServiceUnavailable", 503, 503),
        ("InternalDependencyException", 530, 503),
        ("InternalFailure", 500, 503),
        ("ValidationError", 400, 503),
        ("AccessDeniedException", 403, 502),
        ("ExpiredTokenException", 403, 502),
    ],
)
def test_an_aws_error_is_mapped_and_its_words_go_to_the_log_alone(
    stub: Stubber, code: str, status: int, answered: int
) -> None:
    stub.add_client_error("invoke_endpoint", code, "arn:aws:iam::123456789012:role/secret", status)
    refusal = refusal_of(stub)
    assert refusal.status == answered
    assert "arn:aws" not in refusal.message
    assert "arn:aws" in (refusal.detail or "")


class FailingClient:
    """Raises its failures in turn, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def invoke_endpoint(self, **_: object) -> dict:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        body = json.dumps({"predictions": PREDICTIONS, "model_version": "7"}).encode()
        return {"Body": io.BytesIO(body), "InvokedProductionVariant": "primary"}


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://x"), 504),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="https://x"), 503),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://x"), 503),
        (botocore.exceptions.NoCredentialsError(), 502),
    ],
)
def test_a_failed_connection_is_mapped_without_a_second_try(failure: Exception, status: int) -> None:
    client = FailingClient(failure)
    with pytest.raises(Refusal) as refused:
        Endpoint(client, "whippet-test").classify(b"image", "image/png", 3)
    assert (refused.value.status, client.calls) == (status, 1)


def test_a_connection_that_went_stale_is_renewed_once() -> None:
    stale = botocore.exceptions.ConnectionClosedError(endpoint_url="https://x")
    assert Endpoint(FailingClient(stale), "whippet-test").classify(b"image", "image/png", 3).model_version == "7"
    with pytest.raises(Refusal):
        Endpoint(FailingClient(stale, stale), "whippet-test").classify(b"image", "image/png", 3)


def test_the_real_client_gives_up_on_a_silent_endpoint_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.05)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Refusal) as refused:
            Endpoint(make_client(0.2), "whippet-test").classify(b"image", "image/png", 3)
        assert refused.value.status == 504
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()
