"""What may be sent besides a picture's own bytes, and what may be asked for besides labels."""

import base64
import csv
import io
import json

import numpy as np
import pytest

from serving.artifact import described, read_metadata
from serving.preprocess import Limits, decode, normalise
from tests.serving.pictures import encode
from tests.serving.processes import STARTER, ServerProcess, plain

NAMES = ("star", "ring", "cross")
FILES = [(STARTER / "samples" / f"{name}.jpg").read_bytes() for name in NAMES]
IN_BASE64 = [base64.b64encode(file).decode() for file in FILES]
VECTOR = {"X_Amzn_SageMaker_Custom_Attributes": "output=vector"}
LOGITS = {"X_Amzn_SageMaker_Custom_Attributes": "output=logits"}


@pytest.fixture(scope="module")
def pixels(unpacked) -> np.ndarray:
    """The starter's samples as its recipe cuts them."""
    recipe = described(read_metadata(unpacked / "model.json"), unpacked).preprocessing
    return np.stack([decode(file, recipe, Limits()) for file in FILES])


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def first_labels(answers: list[dict]) -> tuple[str, ...]:
    return tuple(answer["predictions"][0]["label"] for answer in answers)


@pytest.mark.parametrize("document", [IN_BASE64, {"images": IN_BASE64}], ids=["list", "images"])
def test_list_of_images_is_answered_in_its_order(server: ServerProcess, document: object) -> None:
    answer = server.invoke(json.dumps(document).encode(), "application/json")
    assert first_labels(answer.document["answers"]) == NAMES


def test_list_of_one_is_answered_by_a_list(server: ServerProcess) -> None:
    answer = server.invoke(json.dumps(IN_BASE64[:1]).encode(), "application/json")
    assert first_labels(answer.document["answers"]) == NAMES[:1]


def test_damaged_image_in_a_list_is_named(server: ServerProcess) -> None:
    damaged = base64.b64encode(FILES[1][:400]).decode()
    answer = server.invoke(json.dumps([IN_BASE64[0], damaged]).encode(), "application/json")
    assert answer.status == 422
    assert answer.document["error"]["message"].startswith("Image 2: The image is damaged")


def test_empty_list_is_refused(server: ServerProcess) -> None:
    assert server.invoke(b"[]", "application/json").document["error"]["code"] == "body_empty"


def test_more_images_than_allowed_are_refused(server: ServerProcess) -> None:
    answer = server.invoke(json.dumps(["aGk="] * 65).encode(), "application/json")
    assert (answer.status, answer.document["error"]["code"]) == (413, "too_many_images")


def test_json_lines_are_answered_line_by_line(server: ServerProcess) -> None:
    body = "\n".join([json.dumps({"image": IN_BASE64[0]}), json.dumps(IN_BASE64[1]), ""]).encode()
    answer = server.invoke(body, "application/jsonlines")
    assert answer.headers["content-type"] == "application/jsonlines"
    assert first_labels(answer.lines) == NAMES[:2]


def test_line_that_cannot_be_answered_leaves_the_others_their_answers(server: ServerProcess) -> None:
    body = "\n".join([json.dumps(IN_BASE64[0]), "{", '"aGk="', json.dumps(IN_BASE64[2])]).encode()
    answer = server.invoke(body, "application/jsonlines")
    assert answer.status == 200
    codes = [line.get("error", {}).get("code") for line in answer.lines]
    assert codes == [None, "json_invalid", "image_format_unknown", None]


def test_pixels_in_npy_are_answered_as_their_picture(server: ServerProcess) -> None:
    large = np.asarray(plain(FILES[0]))
    as_picture = server.invoke(encode(plain(FILES[0]), "PNG"), "image/png")
    for body in (npy(large), npy(np.asfortranarray(large))):
        assert server.invoke(body, "application/x-npy").document == as_picture.document


def test_several_pictures_in_npy_are_answered_in_order(server: ServerProcess, pixels: np.ndarray) -> None:
    answer = server.invoke(npy(pixels), "application/x-npy")
    assert len(answer.document["answers"]) == len(NAMES)


def test_floats_in_npy_go_to_the_network_as_they_are(server: ServerProcess, pixels: np.ndarray, unpacked) -> None:
    recipe = described(read_metadata(unpacked / "model.json"), unpacked).preprocessing
    prepared = np.concatenate([normalise(one, recipe) for one in pixels])
    answer = server.invoke(npy(prepared), "application/x-npy", **VECTOR)
    expected = [server.invoke(file, **VECTOR).document[0] for file in FILES]
    np.testing.assert_allclose(answer.document, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("array", "status"),
    [
        (np.zeros((3, 5, 5), np.float32), 422),
        (np.full((3, 64, 64), np.nan, np.float32), 422),
        (np.full((3, 64, 64), 3e38, np.float32), 422),
        (np.zeros((5, 5, 4), np.uint8), 415),
        (np.zeros((5, 5, 3), np.float64), 415),
        (np.zeros((0, 5, 3), np.uint8), 400),
        (np.zeros((65, 2, 2, 3), np.uint8), 413),
    ],
    ids=["other size", "no numbers", "huge numbers", "four channels", "doubles", "empty", "too many"],
)
def test_array_that_is_no_picture_is_refused(server: ServerProcess, array: np.ndarray, status: int) -> None:
    assert server.invoke(npy(array), "application/x-npy").status == status
    assert server.ask("GET", "/ping").status == 200


@pytest.mark.parametrize(
    "body",
    [
        npy(np.array([{}], dtype=object), pickled=True),
        npy(np.zeros((9, 9, 3), np.uint8))[:-1],
        npy(np.zeros((9, 9, 3), np.uint8)) + b"x",
        b"\x93NUMPY\x09\x00",
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
        npy(np.zeros((9, 9, 3), np.uint8)).replace(b"(9, 9, 3)", b"(9,-9,-3"),
        npy(np.zeros((9, 9, 3), np.uint8)).replace(b"(9, 9, 3), }", b"(9, 9**9)) }"),
        b"nothing of the kind",
    ],
    ids=["pickle", "cut", "longer", "version", "nested", "negative", "expression", "text"],
)
def test_npy_that_is_none_is_refused(server: ServerProcess, body: bytes) -> None:
    answer = server.invoke(body, "application/x-npy")
    assert (answer.status, answer.document["error"]["code"]) == (422, "array_unreadable")


def test_raw_vector_has_the_shape_that_the_courses_lambda_printed(server: ServerProcess) -> None:
    document = server.invoke(FILES[0], **VECTOR).document
    assert [len(row) for row in document] == [10]
    assert all(isinstance(number, float) for number in document[0])


def test_logits_come_beside_the_labels_they_led_to(server: ServerProcess, unpacked) -> None:
    document = server.invoke(FILES[0], **LOGITS).document
    labels = json.loads((unpacked / "model.json").read_text())["labels"]
    assert labels[int(np.argmax(document["logits"]))] == document["predictions"][0]["label"]
    assert [document["logits"]] == server.invoke(FILES[0], **VECTOR).document


def test_csv_has_a_line_an_image(server: ServerProcess) -> None:
    answer = server.invoke(json.dumps(IN_BASE64).encode(), "application/json", Accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(answer.text.splitlines()))
    assert tuple(row[0] for row in rows) == NAMES
    assert [len(row) for row in rows] == [10, 10, 10]


def test_csv_of_logits_is_numbers_alone(server: ServerProcess) -> None:
    text = server.invoke(FILES[0], Accept="text/csv", **LOGITS).text
    assert [float(cell) for cell in text.strip().split(",")] == server.invoke(FILES[0], **VECTOR).document[0]


def test_json_lines_can_be_asked_for_a_picture(server: ServerProcess) -> None:
    answer = server.invoke(FILES[0], Accept="application/jsonlines")
    assert first_labels(answer.lines) == ("star",)


def test_first_type_that_can_be_met_counts(server: ServerProcess) -> None:
    assert server.invoke(FILES[0], Accept="text/html, text/csv, */*").headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("attributes", ["output=all", "output=", "outputs=vector"])
def test_unknown_output_is_refused_with_the_known_ones(server: ServerProcess, attributes: str) -> None:
    answer = server.invoke(FILES[0], X_Amzn_SageMaker_Custom_Attributes=attributes)
    assert answer.status == 400
    assert "vector" in answer.document["error"]["message"]


def test_attributes_may_be_several(server: ServerProcess) -> None:
    document = server.invoke(FILES[0], X_Amzn_SageMaker_Custom_Attributes="top_k=2, output=logits").document
    assert (len(document["predictions"]), len(document["logits"])) == (2, 10)


def test_execution_parameters_suit_a_batch_transform_job(server: ServerProcess) -> None:
    parameters = server.ask("GET", "/execution-parameters").document
    assert parameters["BatchStrategy"] == "MULTI_RECORD"
    assert parameters["MaxPayloadInMB"] == 6
    assert parameters["MaxConcurrentTransforms"] >= 2


def test_metrics_count_what_was_answered(server: ServerProcess) -> None:
    server.invoke(FILES[0])
    server.invoke(b"no image")
    metrics = read_metrics(server)
    assert metrics['whippet_serving_requests_total{status="200",code=""}'] >= 1
    assert metrics['whippet_serving_requests_total{status="415",code="image_format_unknown"}'] >= 1
    answered = metrics["whippet_serving_images_total"]
    assert metrics['whippet_serving_step_seconds_bucket{step="infer",le="+Inf"}'] <= answered
    assert metrics["whippet_serving_requests_in_progress"] == metrics["whippet_serving_pending_bytes"] == 0
    server.invoke(json.dumps(IN_BASE64).encode(), "application/json")
    assert read_metrics(server)["whippet_serving_images_total"] == answered + 3


def test_metrics_have_a_type_for_each_name(server: ServerProcess) -> None:
    text = server.ask("GET", "/metrics").text
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    for line in text.splitlines():
        if line[0] != "#":
            name = line.partition("{")[0].partition(" ")[0]
            assert {name, name.removesuffix("_bucket"), name.removesuffix("_sum"), name.removesuffix("_count")} & typed


def read_metrics(server: ServerProcess) -> dict[str, float]:
    answer = server.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}
