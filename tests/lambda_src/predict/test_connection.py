"""HTTP/1.1 over a kept connection: answers of every shape that RFC 9112 allows, and of many that it does not."""

import http.client
import io
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.predict import connection
from lambda_src.predict.connection import BadAnswerError, Connection, Reply, TooLargeError

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Server:
    """The other end of a connection, to which a test says what it sends and whether it hangs up behind it."""

    def __init__(self) -> None:
        ours, self.end = socket.socketpair()
        ours.settimeout(2)
        self.connection = Connection(ours)

    def say(self, data: bytes, *, hang_up: bool = False) -> None:
        def send() -> None:
            try:
                self.end.sendall(data)
                if hang_up:
                    self.end.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the caller would not read more

        threading.Thread(target=send, daemon=True).start()

    def ask(self, *, max_bytes: int | None = None, method: str = "POST") -> Reply:
        return self.connection.exchange(method, "/path", {"Host": "aws", "X-A": "b"}, b"body", max_bytes)

    def close(self) -> None:
        self.end.close()
        self.connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def answer(data: bytes, *, max_bytes: int | None = None) -> tuple[Reply, bool]:
    """What is read of the data, behind which the server hangs up, and whether the connection goes on."""
    server = Server()
    try:
        server.say(data, hang_up=True)
        return server.ask(max_bytes=max_bytes), server.connection.can_go_on
    finally:
        server.close()


def test_a_request_is_one_head_with_its_length_and_the_body(server: Server) -> None:
    server.say(SIZED)
    server.ask()
    assert server.end.recv(1000) == b"POST /path HTTP/1.1\r\nHost: aws\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize(("method", "said"), [("POST", True), ("PUT", True), ("GET", False)])
def test_a_request_without_a_body_says_so_where_one_is_expected(server: Server, method: str, said: bool) -> None:
    server.say(SIZED)
    server.connection.exchange(method, "/", {}, b"", None)
    assert (b"Content-Length: 0\r\n" in server.end.recv(1000)) == said


@pytest.mark.parametrize("spoiler", ["\r\nX-Evil: 1", "\n", "\x00", "\u2028"])
@pytest.mark.parametrize("place", ["target", "name", "value"])
def test_nothing_in_a_request_can_end_its_line(server: Server, spoiler: str, place: str) -> None:
    parts = {"target": "/", "name": "X-A", "value": "b"}
    parts[place] += spoiler
    with pytest.raises(ValueError, match="control character|ascii"):
        server.connection.exchange("GET", parts["target"], {parts["name"]: parts["value"]}, b"", None)
    server.end.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.end.recv(1)


@pytest.mark.parametrize(
    ("data", "status", "body", "goes_on"),
    [
        (SIZED, 200, b"hello", True),
        (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 530\r\nContent-Length: 1\r\n\r\nx", 530, b"x", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n" + SIZED, 200, b"hello", True),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 200, b"hello", True),
        (CHUNKED + b"2;name=value\r\nhe\r\n03 \r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, b"hello", True),
        (CHUNKED + b"0\r\n\r\n", 200, b"", True),
        (OK + b"Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, b"a", False),
        (OK + b"\r\nuntil the end", 200, b"until the end", False),
        (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
        (OK + b"Connection: x , CLOSE\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
        (OK + b"Connection: closely\r\nContent-Length: 1\r\n\r\nx", 200, b"x", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    ],
)
def test_an_answer_is_read_to_its_end(data: bytes, status: int, body: bytes, goes_on: bool) -> None:
    reply, can_go_on = answer(data)
    assert (reply.status, reply.body, can_go_on) == (status, body, goes_on)


def test_headers_have_small_names_and_those_said_twice_are_joined() -> None:
    reply, _ = answer(OK + b"X-Amzn-A:  one \r\nx-amzn-a:two\r\nX-B: caf\xe9\r\nContent-Length: 0\r\n\r\n")
    assert {name: reply.headers[name] for name in ("x-amzn-a", "x-b")} == {"x-amzn-a": "one, two", "x-b": "café"}


def test_requests_follow_one_another(server: Server) -> None:
    for data, body in [(SIZED, b"hello"), (CHUNKED + b"1\r\nx\r\n0\r\n\r\n", b"x"), (SIZED, b"hello")]:
        server.say(data)
        assert server.ask().body == body
        assert server.connection.can_go_on


@pytest.mark.parametrize("data", [SIZED, CHUNKED + b"0\r\n\r\n", b"HTTP/1.1 204 None\r\n\r\n"])
def test_after_bytes_that_nobody_asked_for_no_request_follows(server: Server, data: bytes) -> None:
    server.say(data + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    server.ask()
    assert not server.connection.can_go_on


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n" + SIZED,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 600 No\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + SIZED,
        OK,
        OK + b"No colon\r\n\r\n",
        OK + b"Spaced : value\r\n\r\n",
        OK + b"A: b\r\n folded\r\n\r\n",
        OK + b": nameless\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1_0\r\n\r\n" + bytes(10),
        OK + b"Content-Length: \xb2\r\n\r\n" + bytes(10),
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        OK + b"Content-Length: 99999999999\r\n\r\n",
        OK + b"Content-Length: 6\r\n\r\nhello",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhell",
        CHUNKED + b"5\r\nhello",
        CHUNKED + b"5\r\nhelloo\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5x\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"7fffffff\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\nX-Trailer",
        OK + b"X: " + b"a" * 140_000 + b"\r\n\r\n",
        CHUNKED + b"1;" + b"a" * 140_000 + b"\r\nx\r\n0\r\n\r\n",
    ],
    ids=lambda data: data[:60],
)
def test_what_is_no_whole_answer_is_refused(data: bytes) -> None:
    server = Server()
    server.say(data, hang_up=True)
    with pytest.raises(BadAnswerError):
        server.ask()
    assert not server.connection.can_go_on
    server.close()


def test_a_server_that_hangs_up_instead_of_answering_is_told_apart_from_one_that_breaks_off(server: Server) -> None:
    server.say(b"", hang_up=True)
    with pytest.raises(ConnectionResetError):
        server.ask()


def test_a_server_that_dribbles_beyond_the_time_out_is_given_up(server: Server) -> None:
    server.connection._socket.settimeout(0.05)
    server.say(SIZED[:-1])
    with pytest.raises(TimeoutError):
        server.ask()
    assert not server.connection.can_go_on


@pytest.mark.parametrize("data", [SIZED, CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", OK + b"\r\nhello"])
def test_no_more_is_read_than_was_wanted(data: bytes) -> None:
    assert answer(data, max_bytes=5)[0].body == b"hello"
    with pytest.raises(TooLargeError):
        answer(data, max_bytes=4)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 20\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n14\r\n", b"\r\n"]
)
def test_no_answer_is_endless(monkeypatch: pytest.MonkeyPatch, framing: bytes) -> None:
    monkeypatch.setattr(connection, "MAX_BODY_BYTES", 10)
    with pytest.raises(BadAnswerError):
        answer(OK + framing + bytes(20))


def test_no_trailer_is_endless() -> None:
    with pytest.raises(BadAnswerError, match="trailers"):
        answer(CHUNKED + b"0\r\n" + b"X: 1\r\n" * 20_000 + b"\r\n")


class Pieces:
    """A socket whose bytes come in the pieces that a test wants."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def recv(self, most: int) -> bytes:
        if not self._pieces:
            return b""
        piece, rest = self._pieces[0][:most], self._pieces[0][most:]
        self._pieces[:1] = [rest] if rest else []
        return piece

    def sendall(self, data: bytes) -> None:
        """Nobody listens."""


class Whole:
    """A socket as http.client reads one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


names = st.sampled_from(["X-Amzn-ErrorType", "Content-Type", "x-a"])
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    status=st.sampled_from([200, 202, 400, 424, 429, 503, 530]),
    headers=st.dictionaries(names, values, max_size=3),
    chunks=st.lists(st.binary(min_size=1, max_size=12), max_size=4),
    framing=st.sampled_from(["length", "chunks", "end"]),
    cuts=st.lists(st.integers(1, 20), max_size=30),
)
def test_http_client_reads_the_same_however_it_comes(
    status: int, headers: dict[str, str], chunks: list[bytes], framing: str, cuts: list[int]
) -> None:
    body = b"".join(chunks)
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    lines += {"length": [f"Content-Length: {len(body)}"], "chunks": ["Transfer-Encoding: chunked"], "end": []}[framing]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    data = "\r\n".join([*lines, "", ""]).encode() + (sent if framing == "chunks" else body)
    theirs = http.client.HTTPResponse(Whole(data), method="GET")  # type: ignore[arg-type]
    theirs.begin()
    pieces, place = [], 0
    for cut in cuts:
        pieces.append(data[place : place + cut])
        place += cut
    ours = Connection(Pieces([piece for piece in [*pieces, data[place:]] if piece]))  # type: ignore[arg-type]
    reply = ours.exchange("GET", "/", {}, b"", None)
    assert (reply.status, reply.body) == (theirs.status, theirs.read())
    assert reply.headers == {name.lower(): value for name, value in theirs.headers.items()}
