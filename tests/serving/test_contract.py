"""What SageMaker and the predict function rely on, over real HTTP against a real process."""

import base64
import http.client
import json
import time

import pytest

from tests.serving.pictures import ODD_PICTURES
from tests.serving.processes import STARTER, ServerProcess, read_answer

STAR = (STARTER / "samples" / "star.jpg").read_bytes()


def test_ping_answers_200_when_ready(server: ServerProcess) -> None:
    assert server.ask("GET", "/ping").status == 200


@pytest.mark.parametrize("path", sorted((STARTER / "samples").iterdir()), ids=lambda path: path.stem)
def test_samples_get_their_own_label_first(server: ServerProcess, path) -> None:
    answer = server.invoke(path.read_bytes(), "image/jpeg")
    assert answer.status == 200
    assert answer.document["predictions"][0]["label"] == path.stem


def test_answer_has_the_agreed_shape(server: ServerProcess) -> None:
    document = server.invoke(STAR).document
    assert set(document) == {"predictions", "model_version"}
    assert document["model_version"].startswith("starter-")
    assert [set(prediction) for prediction in document["predictions"]] == [{"label", "probability"}] * 5


def test_predictions_come_best_first(server: ServerProcess) -> None:
    probabilities = [entry["probability"] for entry in server.invoke(STAR).document["predictions"]]
    assert probabilities == sorted(probabilities, reverse=True)


def test_probabilities_of_all_labels_sum_to_one(server: ServerProcess) -> None:
    document = server.invoke(STAR, X_Amzn_SageMaker_Custom_Attributes="top_k=10").document
    assert sum(entry["probability"] for entry in document["predictions"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("attributes", "expected"), [("top_k=1", 1), (" top_k = 3 ", 3), ("top_k=500", 10), ("", 5)])
def test_top_k_chooses_how_many_labels(server: ServerProcess, attributes: str, expected: int) -> None:
    answer = server.invoke(STAR, X_Amzn_SageMaker_Custom_Attributes=attributes)
    assert len(answer.document["predictions"]) == expected


@pytest.mark.parametrize("attributes", ["top_k=0", "top_k=-1", "top_k=five", "top_k=", "top_k=1e3", "topk=5", "x"])
def test_wrong_custom_attributes_are_refused(server: ServerProcess, attributes: str) -> None:
    answer = server.invoke(STAR, X_Amzn_SageMaker_Custom_Attributes=attributes)
    assert answer.status == 400
    assert "top_k" in answer.document["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "IMAGE/JPEG; charset=x", "image/png", "application/x-image", "application/octet-stream"],
)
def test_image_types_are_accepted_whatever_the_bytes_turn_out_to_be(server: ServerProcess, content_type: str) -> None:
    assert server.invoke(STAR, content_type).status == 200


@pytest.mark.parametrize("name", sorted(ODD_PICTURES))
def test_odd_pictures_are_answered(server: ServerProcess, name: str) -> None:
    assert server.invoke(ODD_PICTURES[name]).status == 200


def test_json_with_base64_answers_as_the_bytes_do(server: ServerProcess) -> None:
    body = json.dumps({"image": base64.b64encode(STAR).decode()}).encode()
    assert server.invoke(body, "application/json").document == server.invoke(STAR).document


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/json;q=0.9", "application/*"])
def test_accept_of_json_is_met(server: ServerProcess, accept: str) -> None:
    assert server.invoke(STAR, Accept=accept).headers["content-type"] == "application/json"


def test_accept_of_something_else_is_refused(server: ServerProcess) -> None:
    assert server.invoke(STAR, Accept="text/html").status == 406


def test_unknown_content_type_is_refused_with_the_allowed_ones(server: ServerProcess) -> None:
    answer = server.invoke(STAR, "text/plain")
    assert answer.status == 415
    assert "image/webp" in answer.document["error"]["message"]


def test_other_paths_are_not_found(server: ServerProcess) -> None:
    assert server.ask("GET", "/").status == 404


def test_wrong_method_is_refused(server: ServerProcess) -> None:
    assert server.ask("GET", "/invocations").status == 405


def test_connection_is_kept_after_an_error(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for body, status in ((b"no image", 415), (STAR, 200)):
        connection.request("POST", "/invocations", body, {"Content-Type": "image/jpeg"})
        assert read_answer(connection).status == status
    connection.close()


def test_answers_on_a_kept_connection_do_not_wait_for_an_acknowledgement(server: ServerProcess) -> None:
    connection, seconds = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10), []
    for _ in range(40):
        start = time.perf_counter()
        connection.request("POST", "/invocations", STAR, {"Content-Type": "image/jpeg"})
        assert read_answer(connection).status == 200
        seconds.append(time.perf_counter() - start)
    connection.close()
    # once the kernel delays its acknowledgements, they take 40 ms each time; a busy machine is slow only sometimes
    assert min(seconds[20:]) < 0.03


def test_request_id_of_the_caller_is_answered_and_logged(server: ServerProcess) -> None:
    answer = server.invoke(STAR, X_Amzn_RequestId="id-of-the-caller")
    assert answer.headers["x-amzn-requestid"] == "id-of-the-caller"
    assert server.wait_for("request", request_id="id-of-the-caller")["status"] == 200


def test_request_id_unfit_for_a_log_is_replaced(server: ServerProcess) -> None:
    assert "<" not in server.invoke(STAR, X_Amzn_RequestId="<b>").headers["x-amzn-requestid"]


def test_log_line_tells_where_the_time_went(server: ServerProcess) -> None:
    server.invoke(STAR, X_Amzn_RequestId="timed")
    line = server.wait_for("request", request_id="timed")
    assert set(line["ms"]) == {"queue", "decode", "infer", "encode"}
    assert line["total_ms"] >= sum(line["ms"].values()) - 0.1


def test_log_line_of_a_refusal_has_its_code(server: ServerProcess) -> None:
    server.invoke(b"no image", X_Amzn_RequestId="refused")
    assert server.wait_for("request", request_id="refused")["code"] == "image_format_unknown"
