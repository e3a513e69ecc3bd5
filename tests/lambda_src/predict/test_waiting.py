"""Predictions that wait: what is left in the bucket, what is asked of SageMaker, and who can fetch what."""

import json
from collections.abc import Iterator

import pytest

from lambda_src.predict.connection import Reply
from lambda_src.predict.endpoint import Wish
from lambda_src.predict.refusals import Refusal
from lambda_src.predict.waiting import Waiting
from stacks.constructs.async_requests import READ, WRITTEN
from tests.lambda_src.predict.aws_server import AwsServer, aws_server
from tests.lambda_src.predict.samples import JPEG, PREDICTIONS, MemoryObjects

BUCKET = "bucket"
OUTPUT, FAILURE = "async/output/4f2c.out", "async/failure/4f2c-error.out"
ANSWER = json.dumps({"predictions": PREDICTIONS, "model_version": "starter-1"}).encode()


class Store(MemoryObjects):
    """A bucket of which nothing is read but what the function's role may read, and the endpoint beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, str]] = []
        self.output = f"s3://{BUCKET}/{OUTPUT}"
        self.refuses: str | None = None

    def get(self, key: str, max_bytes: int | None = None) -> bytes | None:
        assert key.startswith(tuple(f"{prefix}/" for prefix in READ))
        return super().get(key, max_bytes)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        if self.refuses:
            return Reply(400, {"x-amzn-errortype": self.refuses}, b"{}")
        assert (method, path) == ("POST", "/endpoints/whippet-test-async/async-invocations")
        self.asked.append(headers)
        said = {
            "x-amzn-sagemaker-outputlocation": self.output,
            "x-amzn-sagemaker-failurelocation": f"s3://{BUCKET}/{FAILURE}",
        }
        return Reply(202, said, b'{"InferenceId": "i"}')


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def waiting(store: Store) -> Waiting:
    return Waiting(store, store, endpoint_name="whippet-test-async", bucket=BUCKET)  # type: ignore[arg-type]


def submit(waiting: Waiting) -> str:
    return waiting.submit(JPEG, "image/jpeg", Wish(3))


def test_an_image_is_left_for_the_endpoint(store: Store, waiting: Waiting) -> None:
    result_id = submit(waiting)
    assert store.kept[f"async/input/{result_id}"] == JPEG
    (asked,) = store.asked
    assert asked["X-Amzn-SageMaker-InputLocation"] == f"s3://{BUCKET}/async/input/{result_id}"
    assert asked["X-Amzn-SageMaker-Custom-Attributes"] == "top_k=3"


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        yield running


def test_the_endpoint_is_asked_as_botocores_client_would(server: AwsServer) -> None:
    server.headers = {"X-Amzn-SageMaker-OutputLocation": f"s3://{BUCKET}/{OUTPUT}"}
    objects = MemoryObjects()
    waiting = Waiting(objects, server.service(), endpoint_name="whippet-test-async", bucket=BUCKET)  # type: ignore[arg-type]
    result_id = submit(waiting)
    answer = server.client().invoke_endpoint_async(
        EndpointName="whippet-test-async",
        InputLocation=f"s3://{BUCKET}/async/input/{result_id}",
        InferenceId=result_id,
        ContentType="image/jpeg",
        Accept="application/json",
        CustomAttributes="top_k=3",
    )
    ours, theirs = server.asked
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    spoken = [name for name in theirs.headers if name.lower().startswith("x-amzn-sagemaker-")]
    assert {name: ours.headers[name] for name in spoken} == {name: theirs.headers[name] for name in spoken}
    assert json.loads(objects.kept[f"async/tickets/{result_id}"])[0] == OUTPUT
    assert answer["OutputLocation"] == f"s3://{BUCKET}/{OUTPUT}"


def test_only_known_prefixes_are_written(store: Store, waiting: Waiting) -> None:
    submit(waiting)
    assert {key.rsplit("/", 1)[0] for key in store.kept} == set(WRITTEN)


def test_no_two_ids_are_alike_and_each_is_long(waiting: Waiting) -> None:
    ids = {submit(waiting) for _ in range(100)}
    assert len(ids) == 100
    assert {len(result_id) for result_id in ids} == {32}


def test_a_result_is_there_when_the_model_has_answered(store: Store, waiting: Waiting) -> None:
    result_id = submit(waiting)
    assert waiting.result(result_id) is None
    store.kept[OUTPUT] = ANSWER
    found = waiting.result(result_id)
    assert found is not None
    assert (found.predictions, found.model_version) == (PREDICTIONS, "starter-1")


def refusal(waiting: Waiting, result_id: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        waiting.result(result_id)
    return caught.value


def test_what_the_model_says_of_the_image_is_passed_on(store: Store, waiting: Waiting) -> None:
    result_id = submit(waiting)
    said = json.dumps({"error": {"code": "image_unreadable", "message": "The image is cut off."}})
    store.kept[FAILURE] = f'Received client error (422) from primary with message "{said}". See the log.'.encode()
    found = refusal(waiting, result_id)
    assert (found.status, found.code, found.message) == (422, "image_unreadable", "The image is cut off.")


@pytest.mark.parametrize("said", [b"", b"Received server error (500) from primary", b"\xff{", b"(999)"])
def test_any_other_failure_is_a_sentence(store: Store, waiting: Waiting, said: bytes) -> None:
    result_id = submit(waiting)
    store.kept[FAILURE] = said
    assert refusal(waiting, result_id).code == "model_failed"


@pytest.mark.parametrize("result_id", ["0" * 32, "", "../input/x", "a/b", "0" * 31, "0" * 33, "é" * 32])
def test_an_id_that_nobody_was_given_finds_nothing(waiting: Waiting, result_id: str) -> None:
    assert refusal(waiting, result_id).code == "not_found"


@pytest.mark.parametrize("location", ["s3://elsewhere/async/output/x", f"s3://{BUCKET}/models/x", "https://x", ""])
def test_no_location_outside_the_own_prefixes_is_ever_read(store: Store, waiting: Waiting, location: str) -> None:
    store.output = location
    assert waiting.result(submit(waiting)) is None


def test_an_endpoint_that_is_not_there_is_a_refusal(store: Store, waiting: Waiting) -> None:
    store.refuses = "ValidationError"
    with pytest.raises(Refusal) as caught:
        submit(waiting)
    assert caught.value.code == "unavailable"


def test_a_denial_on_the_way_in_is_not_taken_for_an_absence(store: Store, waiting: Waiting) -> None:
    store.refuses = "AccessDeniedException"
    with pytest.raises(Refusal) as caught:
        submit(waiting)
    assert caught.value.code == "endpoint_denied"
