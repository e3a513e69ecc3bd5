"""The signing page: whom it serves, what it passes on, and how it ends where it cannot work."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import UnauthorizedSSOTokenError

from ops.errors import OperatorError
from ops.page import MAX_BODY_BYTES, Target, open_page


class Api(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = {"asked": [self.command, self.path, body.decode()], "headers": dict(self.headers.items())}
        content = json.dumps(said).encode()
        self.send_response(202)
        self.send_header("Retry-After", "2")
        self.send_header("Set-Cookie", "not=passed")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    running = []

    def start(server):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        running.append((server, thread))
        return server.server_port

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture
def page(serve):
    """The page's port; each request that passes is signed by a word."""
    port = serve(ThreadingHTTPServer(("127.0.0.1", 0), Api))
    target = Target(
        "api.example.com",
        lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=5),
        lambda method, path, body, headers: {**headers, "Authorization": f"signed {method} {path} {len(body)}"},
    )
    return serve(open_page(target, 0))


def ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def test_a_request_of_the_page_is_signed_and_passed_on(page):
    status, headers, said = ask(page, "POST", "/predict?top_k=3", b"image", Content_Type="image/jpeg")
    assert status == 202
    assert said["asked"] == ["POST", "/predict?top_k=3", "image"]
    assert said["headers"]["Authorization"] == "signed POST /predict?top_k=3 5"
    assert said["headers"]["Content-Type"] == "image/jpeg"
    assert headers["Retry-After"] == "2"
    assert "Set-Cookie" not in headers


def test_nothing_that_a_browser_adds_is_passed_on(page):
    _, _, said = ask(page, "GET", "/", Cookie="secret", Authorization="somebody", X_Forwarded_For="10.0.0.1")
    assert said["headers"]["Authorization"] == "signed GET / 0"
    assert not {"Cookie", "X-Forwarded-For"} & said["headers"].keys()


@pytest.mark.parametrize("path", ["/", "/healthz", "/openapi.json", "/results/abc_-1"])
def test_what_the_api_answers_is_there(page, path):
    assert ask(page, "GET", path)[0] == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/predict"),
        ("POST", "/"),
        ("GET", "/elsewhere"),
        ("GET", "//evil.example.com/"),
        ("GET", "/results/../predict"),
        ("GET", "/results/"),
        ("POST", "/predict?x=1"),
        ("GET", "/?Action=DeleteStack"),
    ],
)
def test_nothing_else_is_asked(page, method, path):
    status, _, said = ask(page, method, path, b"" if method == "POST" else None)
    assert (status, said["error"]["message"]) == (404, "There is nothing here; the page is at /.")


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example.com:{port}", ""]
)
def test_a_name_that_was_made_to_lead_here_gets_nothing(page, host):
    status, _, said = ask(page, "GET", "/", Host=host.format(port=page))
    assert (status, said["error"]["code"]) == (403, "page")


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}"]
)
def test_a_page_of_another_site_gets_nothing(page, origin):
    assert ask(page, "POST", "/predict", b"image", Origin=origin.format(port=page))[0] == 403


def test_a_link_from_another_site_that_the_browser_tells_of_gets_nothing(page):
    assert ask(page, "GET", "/", Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_page_itself_is_served_by_either_name(page, name):
    own = f"{name}:{page}"
    assert ask(page, "POST", "/predict", b"i", Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin")[0] == 202


@pytest.mark.parametrize(
    ("length", "status"), [("-1", 411), ("many", 411), (str(MAX_BODY_BYTES + 1), 413), ("9" * 13, 411)]
)
def test_a_request_of_no_honest_length_is_refused_unread(page, length, status):
    assert ask(page, "POST", "/predict", b"", Content_Length=length)[0] == status


def test_a_request_in_chunks_is_refused_unread(page):
    assert ask(page, "POST", "/predict", iter([b"a"]), Transfer_Encoding="chunked")[0] == 411


def test_an_api_that_is_not_there_is_a_sentence(serve):
    target = Target("api.example.com", lambda: http.client.HTTPConnection("127.0.0.1", 9, timeout=1), lambda *_: {})
    status, _, said = ask(serve(open_page(target, 0)), "GET", "/healthz")
    assert status == 502
    assert said["error"]["message"].startswith("The API at api.example.com cannot be reached")


def test_credentials_that_end_while_the_page_is_open_are_a_sentence(serve):
    def expired(*_):
        raise UnauthorizedSSOTokenError

    target = Target("api.example.com", lambda: http.client.HTTPConnection("127.0.0.1", 1), expired)
    status, _, said = ask(serve(open_page(target, 0)), "GET", "/")
    assert (status, said["error"]["code"]) == (502, "page")
    assert "have expired: run `aws sso login`" in said["error"]["message"]


def test_a_port_in_use_is_a_sentence(page):
    with pytest.raises(OperatorError, match=f"Port {page} on 127.0.0.1 cannot be taken .*choose another with --port"):
        open_page(Target("x", http.client.HTTPConnection, lambda *_: {}), page)


def test_it_listens_on_loopback_alone(page):
    with open_page(Target("x", http.client.HTTPConnection, lambda *_: {}), 0) as server:
        assert server.server_address[0] == "127.0.0.1"
