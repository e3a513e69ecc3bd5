"""The function against the real server with the starter model; only SageMaker's relay between the two is a stand-in."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.predict.connection import Reply
from lambda_src.predict.endpoint import Endpoint
from lambda_src.predict.service import Service
from tests.lambda_src.predict.samples import JPEG, http_event, image_file, make_service

ROOT = Path(__file__).parents[3]
STARTER = ROOT / "training" / "starter"


class Relay:
    """Does what InvokeEndpoint does: the same headers to the container, its refusals as ModelError."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, _path: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, "/invocations", body, headers)
        response = connection.getresponse()
        found = response.read()
        connection.close()
        if response.status == http.HTTPStatus.OK:
            said = {"x-amzn-invoked-production-variant": "primary"}
            said["x-amzn-sagemaker-custom-attributes"] = response.headers["x-amzn-sagemaker-custom-attributes"]
            return Reply(200, said, found)
        error = {"Message": "Received error", "OriginalStatusCode": response.status, "OriginalMessage": found.decode()}
        return Reply(424, {"x-amzn-errortype": "ModelError"}, json.dumps(error).encode())


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    command = [sys.executable, "-m", "serving", "--model", str(STARTER / "model.tar.gz"), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = next(line for line in map(json.loads, process.stdout) if line["event"] == "ready")
        yield make_service(endpoint=Endpoint(Relay(ready["port"]), "whippet-test"))
        process.terminate()
        process.stdout.read()


def answer(service: Service, image: bytes, **query: str) -> tuple[int, dict[str, Any]]:
    event = http_event("POST", "/predict", body=image, content_type="image/jpeg", query=query)
    found = service.answer(event, "request-1")
    return found["statusCode"], json.loads(found["body"])


def test_a_sample_of_the_starter_model_is_recognised(service: Service) -> None:
    status, content = answer(service, (STARTER / "samples" / "star.jpg").read_bytes())
    assert (status, content["predictions"][0]["label"]) == (200, "star")
    assert content["model_version"].startswith("starter-")


@pytest.mark.parametrize("wanted", [1, 3])
def test_as_many_labels_come_back_as_were_asked_for(service: Service, wanted: int) -> None:
    _, content = answer(service, JPEG, top_k=str(wanted))
    assert len(content["predictions"]) == wanted


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_every_kind_that_the_function_lets_through_is_served(service: Service, kind: str) -> None:
    assert answer(service, image_file(kind))[0] == 200


def test_damage_behind_a_sound_header_is_refused_in_the_servers_words(service: Service) -> None:
    status, content = answer(service, image_file("PNG")[:60])
    assert (status, content["error"]["code"]) == (422, "image_unreadable")
    assert "damaged" in content["error"]["message"]


def test_the_answer_tells_where_its_time_went_hop_by_hop(service: Service) -> None:
    event = http_event("POST", "/predict", body=JPEG, content_type="image/jpeg")
    said = service.answer(event, "request-1")["headers"]["server-timing"]
    spent = {hop: float(dur) for hop, dur in re.findall(r"([a-z-]+);dur=([0-9.]+)", said)}
    assert spent.keys() == {f"model-{step}" for step in ("queue", "decode", "infer", "encode")} | {
        "endpoint",
        "function",
    }
    assert 0 < spent["model-infer"] <= spent["endpoint"] <= spent["function"]
