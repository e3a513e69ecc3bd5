"""One image in several places: between other containers of an inference pipeline, and as several variants."""

import http.client
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serving.processes import MODEL, ROOT, STARTER, ServerProcess, free_port, wait_until
from tests.serving.test_life import running

STAR = STARTER / "samples" / "star.jpg"


@contextmanager
def neighbour(role: str) -> Iterator[int]:
    """Another container; its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serving.neighbour", role],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SAGEMAKER_BIND_TO_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port))
        yield port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with suppress(OSError):
        return call(port, "GET", "/ping")[0] == 200
    return False


def call(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
    """Status, type and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def through(ports: list[int], body: bytes, content_type: str) -> tuple[int, str, bytes]:
    """As SageMaker passes a request on: each container's answer, with its type, is the next one's request."""
    status = 200
    for port in ports:
        if status == 200:
            status, content_type, body = call(port, "POST", "/invocations", body, Content_Type=content_type)
    return status, content_type, body


@pytest.fixture(scope="module")
def pipeline() -> Iterator[list[int]]:
    """Three containers side by side on one machine, each on the port that it was told."""
    with ExitStack() as stack:
        before, after = stack.enter_context(neighbour("before")), stack.enter_context(neighbour("after"))
        own, program = str(free_port()), ("-m", "serving", "--model", str(MODEL))
        classifier = stack.enter_context(running(program=program, SAGEMAKER_BIND_TO_PORT=own))
        assert classifier.port == int(own)
        yield [before, classifier.port, after]


def test_classifier_takes_what_the_container_before_it_answers_and_hands_on_what_the_next_one_reads(
    pipeline: list[int],
) -> None:
    tiff = io.BytesIO()
    with Image.open(STAR) as picture:
        picture.save(tiff, "TIFF")
    assert call(pipeline[1], "POST", "/invocations", tiff.getvalue(), Content_Type="image/tiff")[0] == 415
    assert through(pipeline, tiff.getvalue(), "image/tiff") == (200, "text/plain", b"star")


def test_pipeline_ends_where_the_classifier_refuses(pipeline: list[int]) -> None:
    status, content_type, body = through(pipeline[1:], b"no picture", "image/png")
    assert (status, content_type, json.loads(body)["error"]["code"]) == (
        415,
        "application/json",
        "image_format_unknown",
    )


def test_variants_of_one_image_differ_by_their_model_alone(
    server: ServerProcess, edit: Callable[[Callable[[dict[str, Any]], object]], Path]
) -> None:
    """The same program, environment and picture; only the folder that is mounted is another."""

    def renamed(metadata: dict[str, Any]) -> None:
        metadata["version"] = "challenger-1"
        metadata["labels"] = [f"the {label}" for label in metadata["labels"]]
        metadata["temperature"] = 2 * metadata["temperature"]

    with running(model=edit(renamed)) as challenger:
        ours, theirs = (one.invoke(STAR.read_bytes()).document for one in (server, challenger))
    assert ours["model_version"].startswith("starter-")
    assert theirs["model_version"] == "challenger-1"
    first, second = ours["predictions"][0], theirs["predictions"][0]
    assert second["label"] == f"the {first['label']}"
    assert second["probability"] < first["probability"]
