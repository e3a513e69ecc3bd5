"""Clients that dawdle, flood, pipeline, or only hold connections."""

import asyncio
import contextlib
import http.client
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving import connection
from serving.connection import Connection
from serving.http import Message, Receive, Scope, Send
from tests.serving.processes import STARTER, ServerProcess, read_answer, wait_until

STAR = (STARTER / "samples" / "star.jpg").read_bytes()
MEGABYTE = 1024**2
REFUSED = b"HTTP/1.1 429 "


def head(length: int, path: str = "/invocations") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n".encode()


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def answers(raw: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The next answers on a connection, each with its status."""
    found, stream = [], raw.makefile("rb")
    for _ in range(count):
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found.append((status, stream.read(length)))
    return found


def test_pipelined_requests_are_answered_in_their_order(server: ServerProcess) -> None:
    with connect(server) as raw:
        raw.sendall(head(len(STAR)) + STAR + head(8) + b"no image" + head(len(STAR)) + STAR)
        statuses = [status for status, _ in answers(raw, 3)]
    assert statuses == [200, 415, 200]


def test_upload_that_breaks_off_leaves_nothing_behind(server: ServerProcess) -> None:
    with connect(server) as raw:
        raw.sendall(head(len(STAR)) + STAR[:1000])
    gauges = {"whippet_serving_pending_bytes 0", "whippet_serving_requests_in_progress 0"}
    wait_until(lambda: gauges <= set(server.ask("GET", "/metrics").text.splitlines()))


def test_body_that_comes_byte_by_byte_is_answered(server: ServerProcess) -> None:
    body = b"no image"
    with connect(server) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head(len(body)) + body:
            raw.sendall(bytes([byte]))
        assert answers(raw, 1)[0][0] == 415


def test_connection_outlives_a_body_that_was_refused_unread(server: ServerProcess) -> None:
    with connect(server) as raw:
        # The type is refused before the body comes; what then comes of it must not be taken for a request.
        raw.sendall(head(2 * MEGABYTE).replace(b"image/jpeg", b"text/plain"))
        assert answers(raw, 1)[0][0] == 415
        raw.sendall(head(1) * (2 * MEGABYTE // len(head(1))) + bytes(2 * MEGABYTE % len(head(1))))
        raw.sendall(head(len(STAR)) + STAR)
        assert answers(raw, 1)[0][0] == 200


def test_client_that_asks_first_whether_to_send_is_told_no_at_once(server: ServerProcess) -> None:
    with connect(server) as raw:
        raw.sendall(head(99 * MEGABYTE).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert answers(raw, 1)[0][0] == 413


def test_client_that_asks_first_whether_to_send_is_told_to_go_on(server: ServerProcess) -> None:
    with connect(server) as raw:
        raw.sendall(head(len(STAR)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(STAR)
        assert answers(raw, 1)[0][0] == 200


def test_thousand_idle_connections_leave_the_server_as_it_was(server: ServerProcess) -> None:
    before = server.resident_bytes()
    with contextlib.ExitStack() as idle:
        for _ in range(1000):
            idle.enter_context(connect(server))
        assert server.invoke(STAR).status == 200
        assert server.ask("GET", "/ping").status == 200
        assert server.resident_bytes() - before < 40 * MEGABYTE


def test_chunked_body_is_read_to_its_end(server: ServerProcess) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request(
        "POST", "/invocations", iter([STAR[:700], STAR[700:]]), {"Content-Type": "image/jpeg"}, encode_chunked=True
    )
    assert read_answer(client).status == 200
    client.close()


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: -5",
        b"Content-Length: 5_0",
        b"Transfer-Encoding: gzip",
    ],
)
def test_request_whose_length_is_in_doubt_is_refused(server: ServerProcess, headers: bytes) -> None:
    with connect(server) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\nhello")
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body's length; refuses /full without reading it."""
    size, more, status = 0, scope["path"] != "/full", 429 if scope["path"] == "/full" else 200
    while more:
        message: Message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = json.dumps(size).encode()
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def listening(max_connections: int = 100, keep_alive_seconds: float = 60) -> AsyncIterator[int]:
    kind = type("Few", (Connection,), {"max_connections": max_connections})
    state, loop = ServerState(), asyncio.get_running_loop()
    config = uvicorn.Config(echo, http=kind, log_config=None, timeout_keep_alive=keep_alive_seconds)  # type: ignore[arg-type]
    server = await loop.create_server(lambda: kind(config, state, {}, loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in list(state.connections):
            one.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(**bounds: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The only connection to a server of its own."""
    async with listening(**bounds) as port:  # type: ignore[arg-type] # each test knows what its bound is
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(scenario(), 10)

    asyncio.run(within())


async def ends(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection is closed."""
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


def test_headers_that_do_not_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)

    async def scenario() -> None:
        async with connected() as (reader, writer):
            writer.write(b"GET /ping HTTP/1.1\r\nHost:")
            assert await ends(reader) == b""

    run(scenario)


def test_connection_on_which_nothing_comes_is_cut_off() -> None:
    async def scenario() -> None:
        async with connected(keep_alive_seconds=0.1) as (reader, _):
            assert await ends(reader) == b""

    run(scenario)


def test_kept_connection_may_be_silent_for_longer_than_headers_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)

    async def scenario() -> None:
        async with connected() as (reader, writer):
            for _ in range(2):
                writer.write(head(2) + b"hi")
                assert (await reader.readuntil(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200 ")
                await asyncio.sleep(0.25)

    run(scenario)


def test_refused_body_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "DISCARD_SECONDS", 0.1)

    async def scenario() -> None:
        async with connected() as (reader, writer):
            writer.write(head(1000, "/full") + b"x")
            assert (await ends(reader)).startswith(REFUSED)

    run(scenario)


def test_refused_body_is_thrown_away_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "DISCARDED_BYTES", 100_000)

    async def scenario() -> None:
        async with connected() as (reader, writer):
            writer.write(head(900_000_000, "/full"))
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(REFUSED)
            with pytest.raises(ConnectionError):
                for _ in range(1000):
                    writer.write(bytes(100_000))
                    await writer.drain()

    run(scenario)


def test_one_connection_too_many_costs_the_longest_idle_one_its_own() -> None:
    async def scenario() -> None:
        async with listening(max_connections=2) as port:
            streams = []
            for number in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                streams.append((reader, writer))
                if number != 1:
                    writer.write(head(2) + b"hi")
                    await reader.readuntil(b"\r\n\r\n2")
                else:
                    await asyncio.sleep(0.05)
            assert await ends(streams[0][0]) == b""
            writer = streams[1][1]
            writer.write(head(2) + b"hi")
            assert (await streams[1][0].readuntil(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200 ")
            for _, writer in streams:
                writer.close()

    run(scenario)
