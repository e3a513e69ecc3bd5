"""The page in headless Chromium against the real service; needs a browser, so `make test-slow` and not `make test`."""

import base64
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lambda_src.predict.endpoint import Wish
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.chromium import Chromium
from tests.lambda_src.predict.samples import JPEG, StubEndpoint, make_service

pytestmark = pytest.mark.slow
FOUND = "!document.getElementById('found').hidden"
TROUBLE = "!document.getElementById('trouble').hidden"


class Site:
    """Serves the function behind the stage path `/dev/`, as an HTTP API with a named stage does."""

    def __init__(self) -> None:
        self.endpoint = StubEndpoint()
        self.forbids = False
        service = make_service(endpoint=self.endpoint)
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.relay()

            def do_POST(self) -> None:
                self.relay()

            def relay(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer: dict[str, Any] = service.answer(
                    {
                        "rawPath": self.path,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "requestContext": {"stage": "dev", "http": {"method": self.command}},
                        "body": base64.b64encode(body).decode(),
                        "isBase64Encoded": True,
                    },
                    "request-1",
                )
                if site.forbids and self.command == "POST":
                    answer = {"statusCode": 403, "headers": {}, "body": json.dumps({"message": "Forbidden"})}
                self.send_response(answer["statusCode"])
                for name, value in answer["headers"].items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer["body"].encode())

            def log_message(self, *_: object) -> None:
                """Keeps the test's output free of access logs."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dev/"


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join(timeout=5)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if program is None:
        pytest.skip("No Chromium or Chrome is on PATH; install one (apt-get install chromium) to test the page in it.")
    with Chromium(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.effect_noise((3000, 2000), 60).convert("RGB").save(path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.jpg"
    path.write_bytes(JPEG)
    return path


def test_a_chosen_image_shows_its_classes_as_bars(browser: Chromium, site: Site, small: Path) -> None:
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(FOUND)
    items = browser.run("[...document.querySelectorAll('#predictions li')].map((item) => item.innerText)")
    assert items == ["beagle\n75%", "whippet\n25%"]
    browser.wait_for("document.querySelector('.bar').style.width === '75%'")
    assert site.endpoint.asked == [(JPEG, "image/jpeg", Wish(5))]


def test_the_result_is_spoken(browser: Chromium, site: Site, small: Path) -> None:
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(FOUND)
    assert browser.run("document.getElementById('heard').textContent") == "Most likely beagle, 75%."


def test_a_large_photo_is_scaled_down_before_it_is_sent(browser: Chromium, site: Site, photo: Path) -> None:
    assert photo.stat().st_size > 4_500_000
    browser.open(site.url)
    browser.choose_file("#file", photo)
    browser.wait_for(FOUND)
    image, content_type, _ = site.endpoint.asked[0]
    assert content_type == "image/jpeg"
    assert len(image) < 1_000_000


def test_a_link_is_sent_with_the_keyboard_alone(browser: Chromium, site: Site) -> None:
    browser.open(site.url)
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.id") == "file"
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.id") == "url"
    browser.send("Input.insertText", text="https://images.example.com/dog.jpg")
    browser.press("Enter", 13)
    browser.wait_for(FOUND)
    assert browser.run("document.getElementById('figure').hidden")


def test_a_refusal_is_shown_as_its_sentence(browser: Chromium, site: Site, small: Path) -> None:
    site.endpoint.failure = Refusal("model_failed", "The model failed on this <b>image</b>.")
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(TROUBLE)
    assert browser.run("document.getElementById('sentence').textContent") == "The model failed on this <b>image</b>."


def test_what_may_pass_can_be_tried_again(browser: Chromium, site: Site, small: Path) -> None:
    site.endpoint.failure = Refusal("overloaded", "Try again in a moment.")
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(TROUBLE)
    site.endpoint.failure = None
    browser.run("document.getElementById('again').click()")
    browser.wait_for(FOUND)


def test_a_gateway_that_wants_signatures_is_explained(browser: Chromium, site: Site, small: Path) -> None:
    site.forbids = True
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(TROUBLE)
    assert "signed" in str(browser.run("document.getElementById('sentence').textContent"))


def test_a_file_that_is_no_image_is_told_before_anything_is_sent(browser: Chromium, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no image")
    browser.open(site.url)
    browser.choose_file("#file", path)
    browser.wait_for(TROUBLE)
    assert site.endpoint.asked == []


def test_a_pasted_link_and_a_dropped_image_are_taken(browser: Chromium, site: Site) -> None:
    browser.open(site.url)
    transfer = "const data = new DataTransfer();"
    browser.run(
        f"{{ {transfer} data.setData('text/plain', 'https://images.example.com/dog.jpg');"
        "document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true })); }"
    )
    browser.wait_for(FOUND)
    encoded = base64.b64encode(JPEG).decode()
    browser.run(
        f"{{ {transfer} const bytes = Uint8Array.from(atob('{encoded}'), (c) => c.charCodeAt(0));"
        "data.items.add(new File([bytes], 'dog.jpg', { type: 'image/jpeg' }));"
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true })); }"
    )
    browser.wait_for("!document.getElementById('figure').hidden")
    assert len(site.endpoint.asked) == 2


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_nothing_runs_over_the_edge_at_any_width(browser: Chromium, site: Site, small: Path, width: int) -> None:
    browser.open(site.url, width=width)
    browser.choose_file("#file", small)
    browser.wait_for(FOUND)
    assert browser.run("document.documentElement.scrollWidth") == width


def test_the_policy_lets_the_page_work_without_a_complaint(browser: Chromium, site: Site, small: Path) -> None:
    browser.console_errors.clear()
    browser.open(site.url)
    browser.choose_file("#file", small)
    browser.wait_for(FOUND)
    assert browser.console_errors == []
