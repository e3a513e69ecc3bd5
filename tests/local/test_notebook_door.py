"""What a notebook's idle check asks, and who else may; and the sentences where there is no Jupyter to open."""

import http.client
import json
import ssl

import pytest

from local.sagemaker import jupyter
from local.sagemaker.jupyter import NoJupyter
from local.sagemaker.notebook_door import Door
from local.tls import Certificates

KERNELS = [{"id": "k", "execution_state": "busy", "last_activity": "2026-11-21T12:00:00Z"}]


class Running:
    """A Jupyter that says so of its kernels."""

    def ask(self, path):
        return 200, json.dumps(KERNELS if path == "/api/kernels" else []).encode()


class Gone:
    """One that ends as it is asked."""

    def ask(self, path):
        raise ConnectionRefusedError


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("tls"))
    made.ensure()
    return made


@pytest.fixture
def ask(certificates):
    doors = []

    def ask(path, runs=None, host="localhost"):
        door = Door(certificates.certificate, certificates.key, lambda: runs, 0)
        doors.append(door)
        door.open()
        trusting = ssl.create_default_context(cafile=str(certificates.authority))
        connection = http.client.HTTPSConnection("localhost", door.port, context=trusting, timeout=5)
        connection.request("GET", path, headers={"Host": f"{host}:{door.port}"})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    yield ask
    for door in doors:
        door.close()


@pytest.mark.parametrize("path", ["/api/kernels", "/api/terminals", "/api/sessions"])
def test_while_no_jupyter_runs_nothing_does(ask, path):
    assert ask(path) == (200, b"[]")


def test_jupyters_own_answer_is_passed_on(ask):
    status, body = ask("/api/kernels", Running())
    assert (status, json.loads(body)) == (200, KERNELS)


@pytest.mark.parametrize("path", ["/", "/api/contents", "/api/contents/kernels", "/api/kernels/../contents"])
def test_files_are_not_told_without_a_token(ask, path):
    assert ask(path, Running())[0] == 404


def test_a_name_that_somebody_pointed_here_is_not_answered(ask):
    assert ask("/api/kernels", Running(), host="evil.example")[0] == 403


def test_a_jupyter_that_ends_is_no_idle_one(ask):
    assert ask("/api/kernels", Gone())[0] == 502


def test_scripts_find_it_where_jupyter_would_be(certificates):
    door = Door(certificates.certificate, certificates.key, lambda: None, 0)
    door._server.server_close()
    assert door.addresses == {
        "localhost:8443": f"localhost:{door.port}",
        "127.0.0.1:8443": f"127.0.0.1:{door.port}",
    }


def start(environment, tmp_path):
    return jupyter.start(environment, tmp_path, tmp_path / "log", lambda words, environment, log: None)


def test_without_a_setting_a_sentence_says_what_to_set(tmp_path):
    with pytest.raises(NoJupyter, match=r"set notebooks in \[tool.embedded-aws\] of pyproject.toml"):
        start(None, tmp_path)


def test_an_environment_without_jupyter_is_named(tmp_path):
    with pytest.raises(NoJupyter, match=rf"{tmp_path / 'none'}, which .* names for notebooks, has no Jupyter"):
        start(tmp_path / "none", tmp_path)
