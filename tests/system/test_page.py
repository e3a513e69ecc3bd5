"""An API that wants signatures, and the page that makes them: `python -m ops page` against the deployed system."""

import http.client
import json
import shutil
import threading

import pytest

from local import control
from ops import page
from ops.__main__ import main
from ops.account import Account
from tests.lambda_src.predict.chromium import Chromium
from tests.system.deployed import API

pytestmark = pytest.mark.xdist_group("deployed")
SERVES = "!document.getElementById('found').hidden"


@pytest.fixture(scope="module")
def signed(deployed):
    """The deployment while its API wants signatures."""
    deployed.deploy(deployed.changed(api__auth="iam"), stack=API)
    yield deployed
    deployed.deploy(stack=API)


@pytest.fixture
def port(signed):
    facts = signed.running.facts
    account = Account(facts.region, signed.environment)
    with page.open_page(page.target_of(account, signed.outputs(API)["Url"]), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(timeout=5)


def ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_without_a_signature_an_api_with_iam_predicts_nothing(signed):
    assert signed.call("POST", "/predict", signed.sample.read_bytes()).status == 403
    assert signed.call("GET", "/").status == 200


def test_the_page_signs_what_it_asks(signed, port):
    status, content = ask(
        port, "POST", "/predict?top_k=2", signed.sample.read_bytes(), **{"Content-Type": "image/jpeg"}
    )
    assert status == 200, content
    predictions = json.loads(content)["predictions"]
    assert (predictions[0]["label"], len(predictions)) == (signed.sample.stem, 2)


def test_the_page_itself_is_the_apis(port):
    status, content = ask(port, "GET", "/")
    assert status == 200
    assert content.startswith(b"<!doctype html>")


def test_a_description_says_that_it_wants_signatures(port):
    said = json.loads(ask(port, "GET", "/openapi.json")[1])
    assert said["paths"]["/predict"]["post"]["security"] == [{"iam": []}]


def test_command_finds_the_api_by_the_stacks_output(signed, monkeypatch, capsys):
    def interrupted(_server, poll_interval):
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "running", lambda _home: signed.running)
    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    assert main(["page", "--stage", "local", "--port", "0", "--json"]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out)["page_url"].startswith("http://127.0.0.1:")
    assert err == "The page is closed.\n"


@pytest.mark.slow
def test_a_browser_predicts_through_the_page(signed, port, tmp_path):
    program = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("No Chromium is on PATH; install one (apt-get install chromium) to test the page in it.")
    with Chromium(program, tmp_path / "profile") as browser:
        browser.open(f"http://127.0.0.1:{port}/")
        browser.choose_file("#file", signed.sample)
        browser.wait_for(SERVES, timeout_seconds=30)
        shown = browser.run("document.querySelector('#predictions .label').textContent")
        assert shown == signed.sample.stem.replace("_", " ")
        assert browser.console_errors == []
