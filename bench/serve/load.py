"""The client: a process of its own, so that it shares no lock with anybody. `python -m bench.serve.load < request.json`

Either a number of connections, each of which asks again as soon as it has its answer; or requests at a fixed pace,
whatever becomes of them. Writes what it saw to stdout as JSON.
"""

import asyncio
import base64
import json
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

CLOSE_LIMIT_SECONDS = 15.0
"""What has not been answered so long after the end of the measure is counted as lost."""
MOST_CONNECTIONS = 2000
MARK_SECONDS = 0.05
"""Long enough after the end for the last mark to be told."""


class Connection(asyncio.Protocol):
    """One kept-alive connection: a request out, its answer's status in. Knows just enough HTTP for that."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.broken = False
        self._answered: asyncio.Future[int] | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = True
        self._settle(0)

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status to come; 0 where the connection breaks without one."""
        self._answered = asyncio.get_running_loop().create_future()
        self._buffer.clear()
        if self.broken or self.transport is None:
            self._settle(0)
        else:
            self.transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        status, stays_open = read_answer(self._buffer)
        if status and not stays_open:
            self.close()
        if status:
            self._settle(status)

    def close(self) -> None:
        self.broken = True
        if self.transport is not None:
            self.transport.close()

    def _settle(self, status: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)


def read_answer(buffer: bytes | bytearray) -> tuple[int, bool]:
    """The status of an answer that is there to its last byte, else 0; and whether the connection stays open."""
    head, separator, body = bytes(buffer).partition(b"\r\n\r\n")
    if not separator:
        return 0, True
    status, *lines = head.lower().split(b"\r\n")
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if b"content-length" in fields:
        complete = len(body) >= int(fields[b"content-length"])
    else:
        complete = body.endswith(b"0\r\n\r\n")
    return int(status.split()[1]) if complete else 0, fields.get(b"connection") != b"close"


class Recorder:
    """The requests that are answered within the measure."""

    def __init__(self, start: float, seconds: float) -> None:
        self.start, self.end = start, start + seconds
        self.latencies: dict[int, list[float]] = {}

    def note(self, began: float, status: int) -> None:
        now = time.perf_counter()
        if self.start <= now <= self.end:
            self.latencies.setdefault(status, []).append(round((now - began) * 1000, 3))


async def closed(url: tuple[str, int], requests: list[bytes], clients: int, recorder: Recorder) -> None:
    """Every client asks, waits for the answer, and asks again."""

    async def client(number: int) -> None:
        connection: Connection | None = None
        turn = number
        while (began := time.perf_counter()) < recorder.end:
            if connection is None or connection.broken:
                connection = await connect(url)
            status = await connection.ask(requests[turn % len(requests)])
            recorder.note(began, status)
            turn += 1
            if status == 0:
                await asyncio.sleep(0.01)  # nobody listens: no reason to turn as fast as the processor can
        if connection is not None:
            connection.close()

    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    await asyncio.wait(tasks, timeout=recorder.end - time.perf_counter() + CLOSE_LIMIT_SECONDS)


class Paced:
    """Requests at a fixed pace, each counted from the moment it was due, whatever the server does."""

    def __init__(self, url: tuple[str, int], requests: list[bytes], rate: float, recorder: Recorder) -> None:
        self._url, self._requests, self._rate, self._recorder = url, requests, rate, recorder
        self._idle: deque[Connection] = deque()
        self.sent = self.lost = self._open = self.not_sent = 0
        self.statuses: dict[int, list[float]] = {}

    async def run(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        start = time.perf_counter()
        due, number = start, 0
        while due < self._recorder.end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._one(due, number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            due = start + number / self._rate
        left = list(tasks)
        if left:
            _, pending = await asyncio.wait(left, timeout=CLOSE_LIMIT_SECONDS)
            self.lost = len(pending)

    async def _one(self, due: float, number: int) -> None:
        counted = due >= self._recorder.start
        if not self._idle and self._open >= MOST_CONNECTIONS:
            self.not_sent += counted
            return
        self.sent += counted
        connection = self._idle.pop() if self._idle else await self._new()
        status = await connection.ask(self._requests[number % len(self._requests)])
        if counted:
            self.statuses.setdefault(status, []).append(round((time.perf_counter() - due) * 1000, 3))
        if connection.broken:
            self._open -= 1
        else:
            self._idle.append(connection)

    async def _new(self) -> Connection:
        self._open += 1
        return await connect(self._url)


async def connect(url: tuple[str, int]) -> Connection:
    try:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, *url)
    except OSError:
        connection = Connection()
        connection.broken = True
    return connection


def http_request(method: str, path: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nAccept: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def run(order: dict[str, Any]) -> dict[str, Any]:
    url = ("127.0.0.1", int(order["port"]))
    requests = [http_request(order["method"], order["path"], base64.b64decode(body)) for body in order["bodies"]]
    recorder = Recorder(time.perf_counter() + order["warm_up"], order["seconds"])
    loop = asyncio.get_running_loop()
    cpu: list[float] = []
    loop.call_later(order["warm_up"], lambda: cpu.append(cpu_seconds()))
    loop.call_later(order["warm_up"] + order["seconds"], lambda: cpu.append(cpu_seconds()))
    mark(order, "begin", order["warm_up"])
    mark(order, "end", order["warm_up"] + order["seconds"])
    if order.get("rate"):
        paced = Paced(url, requests, order["rate"], recorder)
        await paced.run()
        found = {"sent": paced.sent, "lost": paced.lost, "not_sent": paced.not_sent, "statuses": paced.statuses}
    else:
        await closed(url, requests, order["clients"], recorder)
        found = {"statuses": recorder.latencies}
    await asyncio.sleep(max(0.0, recorder.end + MARK_SECONDS - time.perf_counter()))
    return {**found, "seconds": order["seconds"], "client_cpu_seconds": cpu[-1] - cpu[0] if len(cpu) > 1 else 0.0}


def mark(order: dict[str, Any], what: str, after: float) -> None:
    """Tell who started this when the measure begins and ends, so that it reads the server's processor time then."""

    def tell() -> None:
        sys.stdout.write(what + "\n")
        sys.stdout.flush()

    asyncio.get_running_loop().call_later(after, tell)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(report: Callable[[str], object] = sys.stdout.write) -> None:
    report(json.dumps(asyncio.run(run(json.loads(sys.stdin.buffer.read())))) + "\n")


if __name__ == "__main__":
    main()
