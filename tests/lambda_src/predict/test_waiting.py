"""Predictions that wait: what is left in the bucket, what is asked of SageMaker, and who can fetch what."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore.validate import validate_parameters

from lambda_src.predict.refusals import Refusal
from lambda_src.predict.waiting import Waiting, make_clients
from stacks.constructs.async_requests import READ, WRITTEN
from tests.lambda_src.predict.samples import JPEG, PREDICTIONS

BUCKET = "bucket"
OUTPUT, FAILURE = "async/output/4f2c.out", "async/failure/4f2c-error.out"
ANSWER = json.dumps({"predictions": PREDICTIONS, "model_version": "starter-1"}).encode()


class Store:
    """S3 and the asynchronous endpoint in one; an object that is not there may not be read, as without ListBucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []
        self.output = f"s3://{BUCKET}/{OUTPUT}"
        self.refuses: str | None = None

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["Bucket"] == BUCKET
        self.objects[arguments["Key"]] = arguments["Body"]
        return {}

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["Bucket"] == BUCKET
        assert arguments["Key"].startswith(tuple(f"{prefix}/" for prefix in READ))
        if arguments["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[arguments["Key"]])}

    def invoke_endpoint_async(self, **arguments: Any) -> dict[str, Any]:
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses}}, "InvokeEndpointAsync")
        self.asked.append(arguments)
        return {"OutputLocation": self.output, "FailureLocation": f"s3://{BUCKET}/{FAILURE}"}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def waiting(store: Store) -> Waiting:
    return Waiting(store, store, endpoint_name="whippet-test-async", bucket=BUCKET)


def test_an_image_is_left_for_the_endpoint(store: Store, waiting: Waiting) -> None:
    result_id = waiting.submit(JPEG, "image/jpeg", 3)
    assert store.objects[f"async/input/{result_id}"] == JPEG
    (asked,) = store.asked
    assert asked["InputLocation"] == f"s3://{BUCKET}/async/input/{result_id}"
    assert (asked["CustomAttributes"], asked["ContentType"]) == ("top_k=3", "image/jpeg")
    shape = get_session().get_service_model("sagemaker-runtime").operation_model("InvokeEndpointAsync").input_shape
    validate_parameters(asked, shape)
    assert set(asked) <= set(shape.members)


def test_only_known_prefixes_are_written(store: Store, waiting: Waiting) -> None:
    waiting.submit(JPEG, "image/jpeg", 3)
    assert {key.rsplit("/", 1)[0] for key in store.objects} == set(WRITTEN)


def test_no_two_ids_are_alike_and_each_is_long(waiting: Waiting) -> None:
    ids = {waiting.submit(JPEG, "image/jpeg", 3) for _ in range(100)}
    assert len(ids) == 100
    assert {len(result_id) for result_id in ids} == {32}


def test_a_result_is_there_when_the_model_has_answered(store: Store, waiting: Waiting) -> None:
    result_id = waiting.submit(JPEG, "image/jpeg", 3)
    assert waiting.result(result_id) is None
    store.objects[OUTPUT] = ANSWER
    found = waiting.result(result_id)
    assert found is not None
    assert (found.predictions, found.model_version) == (PREDICTIONS, "starter-1")


def refusal(waiting: Waiting, result_id: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        waiting.result(result_id)
    return caught.value


def test_what_the_model_says_of_the_image_is_passed_on(store: Store, waiting: Waiting) -> None:
    result_id = waiting.submit(JPEG, "image/jpeg", 3)
    said = json.dumps({"error": {"code": "image_unreadable", "message": "The image is cut off."}})
    store.objects[FAILURE] = f'Received client error (422) from primary with message "{said}". See the log.'.encode()
    found = refusal(waiting, result_id)
    assert (found.status, found.code, found.message) == (422, "image_unreadable", "The image is cut off.")


@pytest.mark.parametrize("said", [b"", b"Received server error (500) from primary", b"\xff{", b"(999)"])
def test_any_other_failure_is_a_sentence(store: Store, waiting: Waiting, said: bytes) -> None:
    result_id = waiting.submit(JPEG, "image/jpeg", 3)
    store.objects[FAILURE] = said
    assert refusal(waiting, result_id).code == "model_failed"


@pytest.mark.parametrize("result_id", ["0" * 32, "", "../input/x", "a/b", "0" * 31, "0" * 33, "é" * 32])
def test_an_id_that_nobody_was_given_finds_nothing(waiting: Waiting, result_id: str) -> None:
    assert refusal(waiting, result_id).code == "not_found"


@pytest.mark.parametrize("location", ["s3://elsewhere/async/output/x", f"s3://{BUCKET}/models/x", "https://x", ""])
def test_no_location_outside_the_own_prefixes_is_ever_read(store: Store, waiting: Waiting, location: str) -> None:
    store.output = location
    assert waiting.result(waiting.submit(JPEG, "image/jpeg", 3)) is None


def test_an_endpoint_that_is_not_there_is_a_refusal(store: Store, waiting: Waiting) -> None:
    store.refuses = "ValidationError"
    with pytest.raises(Refusal) as caught:
        waiting.submit(JPEG, "image/jpeg", 3)
    assert caught.value.code == "unavailable"


def test_a_denial_on_the_way_in_is_not_taken_for_an_absence(store: Store, waiting: Waiting) -> None:
    store.refuses = "AccessDeniedException"
    with pytest.raises(Refusal) as caught:
        waiting.submit(JPEG, "image/jpeg", 3)
    assert caught.value.code == "endpoint_denied"


def test_all_calls_together_fit_into_the_functions_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for client in make_clients(15):
        assert client.meta.config.read_timeout == 5
