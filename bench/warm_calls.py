"""Warm calls of the function against bare round trips to the same stub, in turn: `python -m bench.warm_calls 20 25`."""

import base64
import binascii
import http.client
import io
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

BODY_BYTES = 100_000
ANSWER = json.dumps(
    {"predictions": [{"label": f"label-{n}", "probability": 0.2} for n in range(5)], "model_version": "1"}
).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-Amzn-Invoked-Production-Variant: primary\r\n"


class Context:
    aws_request_id = "00000000-0000-0000-0000-000000000000"


def stub(port: Connection) -> None:
    """Reads a request, answers the same every time; one connection after another, each in a thread of its own."""
    import threading  # noqa: PLC0415 - of the stub's process alone

    listener = socket.create_server(("127.0.0.1", 0))
    port.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


def converse(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader, answer = connection.makefile("rb"), HEAD + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER
    while line := reader.readline():
        length = 0
        while line.strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            line = reader.readline()
        reader.read(length)
        connection.sendall(answer)


def jpeg() -> bytes:
    """100 KB that pass for a photo until somebody decodes them."""
    frame = b"\xff\xc0\x00\x11\x08\x01\x00\x01\x00\x03" + bytes(9)
    start = b"\xff\xd8\xff\xe0\x00\x10" + bytes(14) + frame + b"\xff\xda\x00\x02"
    return start + os.urandom(BODY_BYTES - len(start))


def main() -> None:
    rounds, calls = int(sys.argv[1]), int(sys.argv[2])
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=stub, args=(sending,), daemon=True)
    server.start()
    port = receiving.recv()
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    from predict.encoded import decode  # type: ignore[import-not-found]  # noqa: PLC0415 - the unpacked function
    from predict.handler import handle  # type: ignore[import-not-found]  # noqa: PLC0415 - as above

    image = jpeg()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /predict",
        "rawPath": "/predict",
        "headers": {"content-type": "image/jpeg", "host": "abc.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {"http": {"method": "POST", "path": "/predict"}, "stage": "$default"},
        "body": base64.b64encode(image).decode(),
        "isBase64Encoded": True,
    }
    bare = http.client.HTTPConnection("127.0.0.1", port)
    said, sys.stdout = sys.stdout, io.StringIO()

    def function() -> None:
        assert handle(event, Context())["statusCode"] == 200  # noqa: PLR2004, S101 - the bench stops where it fails

    def round_trip() -> None:
        bare.request("POST", "/endpoints/bench/invocations", image, {"Content-Type": "image/jpeg"})
        assert bare.getresponse().read() == ANSWER  # noqa: S101 - as above

    def base64_alone() -> None:
        decode(event["body"])

    def base64_by_python() -> None:
        binascii.a2b_base64(event["body"], strict_mode=True)

    taken: dict[str, list[float]] = {"function": [], "bare": [], "base64": [], "binascii": []}
    for number in range(rounds + 1):
        alone = [("base64", base64_alone), ("binascii", base64_by_python)]
        order = [("function", function), *alone, ("bare", round_trip)]
        for name, call in order if number % 2 else reversed(order):
            for _ in range(calls):
                started = time.perf_counter()
                call()
                if number:
                    taken[name].append((time.perf_counter() - started) * 1000)
    sys.stdout = said
    server.terminate()
    # Other work on the machine only ever adds, and adds more to what takes longer: hence the fast calls of each.
    function_ms, bare_ms = (statistics.quantiles(taken[name], n=10)[0] for name in ("function", "bare"))
    sys.stdout.write(
        json.dumps(
            {
                "function_ms": function_ms,
                "bare_ms": bare_ms,
                "added_ms": function_ms - bare_ms,
                "median_function_ms": statistics.median(taken["function"]),
                "median_bare_ms": statistics.median(taken["bare"]),
                "base64_ms": statistics.quantiles(taken["base64"], n=10)[0],
                "binascii_ms": statistics.quantiles(taken["binascii"], n=10)[0],
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
