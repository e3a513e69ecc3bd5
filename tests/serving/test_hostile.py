"""Bodies made to hurt: each gets an answer, and the server goes on."""

import http.client
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.errors import RequestError
from serving.preprocess import decode
from tests.serving.pictures import ODD_PICTURES, RGB, Bodies, encode, jpeg
from tests.serving.processes import ServerProcess, read_answer
from tests.serving.test_preprocess import LIMITS, RECIPE

REFUSALS = {400, 413, 415, 422}
MEGABYTE = 1024**2
DAMAGED_BYTE = 0xA5


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, content: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *chunks,
            chunk(b"IDAT", zlib.compress(content)),
            chunk(b"IEND", b""),
        ]
    )


def webp_canvas(side: int) -> bytes:
    tiny = encode(Image.new("RGB", (8, 8)), "WEBP", lossless=True)[12:]
    extent = struct.pack("<I", side - 1)[:3]
    frame = bytes(6) + struct.pack("<I", 7)[:3] * 2 + b"\x64\0\0\0" + tiny
    parts = [(b"VP8X", b"\x02\0\0\0" + extent * 2), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(content)) + content for kind, content in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_screen(side: int) -> bytes:
    small = bytearray(encode(RGB.quantize(4), "GIF"))
    small[6:10] = struct.pack("<HH", side, side)
    return bytes(small)


def gif_of_frames(count: int) -> bytes:
    """Megabytes of pictures of which one counts."""
    first, other = encode(RGB.quantize(4), "GIF"), encode(Image.new("P", (8, 8)), "GIF")
    return first[:-1] + other[other.index(b"\x2c") : -1] * count + b";"


def scan_after_scan(times: int) -> bytes:
    """A progressive JPEG that refines its pixels again and again."""
    picture = jpeg(progressive=True)
    last = picture.rindex(b"\xff\xda")
    return picture[:last] + picture[last:-2] * times + picture[-2:]


def png_of_chunks(count: int) -> bytes:
    return png(64, 64, *[chunk(b"tEXt", b"k\0v")] * count, content=bytes(64 * 193))


def with_wrong_checksum() -> bytes:
    picture = bytearray(encode(RGB, "PNG"))
    picture[picture.index(b"IDAT") + 10] ^= 0xFF
    return bytes(picture)


def with_exif_loop() -> bytes:
    """An EXIF directory that names itself as the next one, and a value far beyond the end."""
    directory = b"\x01\x00" + struct.pack("<HHII", 0x0112, 4, 0x7FFFFFFF, 0x7FFFFFFF) + struct.pack("<I", 8)
    return jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0" + directory)


HOSTILE = Bodies(
    {
        "empty": lambda: b"",
        "one byte": lambda: b"\xff",
        "text": lambda: b"GET / HTTP/1.1\r\n\r\n" * 20,
        "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n",
        "bomb of 9400 x 9400": lambda: png(9400, 9400, content=bytes(9400 * 28201)),
        "bomb beyond Pillow's own limit": lambda: png(60_000, 60_000),
        "png without pixels": lambda: png(64, 64),
        "png of no width": lambda: png(0, 64),
        "png with a huge text": lambda: png(64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(70 * MEGABYTE)))),
        "png with a huge profile": lambda: png(64, 64, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(70 * MEGABYTE)))),
        "webp canvas of 16383": lambda: webp_canvas(16383),
        "gif screen of 65535": lambda: gif_screen(65535),
        "jpeg of endless scans": lambda: scan_after_scan(5000),
        "png of a wrong checksum": with_wrong_checksum,
        "png of a wrong filter": lambda: png(64, 64, content=b"\x09" * 64 * 193),
        "png whose length wraps": lambda: png(64, 64)[:33] + b"\xff\xff\xff\xff" + b"IDAT",
        "gif of a wrong code size": lambda: encode(RGB.quantize(4), "GIF").replace(b"\x2c", b"\x2c\0\0", 1)[:80],
        "webp of a wrong size": lambda: encode(RGB, "WEBP")[:4] + b"\xff\xff\xff\x7f" + encode(RGB, "WEBP")[8:60],
        "webp of an empty frame": lambda: b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0" + bytes(10),
        "jpeg of no size": lambda: jpeg().replace(struct.pack(">HH", 100, 150), bytes(4), 1),
        "jpeg of a huge size": lambda: jpeg().replace(struct.pack(">HH", 100, 150), b"\xff" * 4, 1),
        "jpeg of five channels": lambda: jpeg().replace(
            b"\x08" + struct.pack(">HH", 100, 150) + b"\x03", b"\x08" + struct.pack(">HH", 100, 150) + b"\x05", 1
        ),
        "jpeg without tables": lambda: jpeg()[:20] + jpeg()[jpeg().index(b"\xff\xda") :],
        "jpeg header alone": lambda: jpeg()[:300],
        "jpeg cut in the middle": lambda: jpeg()[: len(jpeg()) // 2],
        "png cut in the middle": lambda: encode(RGB, "PNG")[:200],
        "webp cut in the middle": lambda: encode(RGB, "WEBP")[:200],
        "gif cut in the middle": lambda: encode(RGB.quantize(16), "GIF")[:60],
    }
)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_body_is_refused(server: ServerProcess, name: str) -> None:
    answer = server.invoke(HOSTILE[name])
    assert answer.status in REFUSALS
    assert set(answer.document["error"]) == {"code", "message"}
    assert server.ask("GET", "/ping").status == 200


@pytest.mark.parametrize("name", ["bomb of 9400 x 9400", "webp canvas of 16383", "gif screen of 65535"])
def test_bomb_takes_no_memory(server: ServerProcess, name: str) -> None:
    before = server.resident_bytes()
    assert server.invoke(HOSTILE[name]).document["error"]["code"] == "image_too_large"
    assert server.resident_bytes() - before < 40 * MEGABYTE


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "make",
    [with_exif_loop, lambda: png_of_chunks(20_000), lambda: scan_after_scan(50), lambda: gif_of_frames(100_000)],
    ids=["exif loop", "chunks", "scans", "frames"],
)
def test_odd_but_legal_body_is_answered(server: ServerProcess, make: Callable[[], bytes]) -> None:
    assert server.invoke(make()).status == 200


def test_scan_that_repeats_is_refused_before_it_is_decoded(server: ServerProcess) -> None:
    assert server.invoke(scan_after_scan(5000)).document["error"]["code"] == "image_too_complex"


def test_many_large_pictures_at_once_take_the_memory_of_one(server: ServerProcess) -> None:
    # 9 megapixels of one colour: small to send, 36 MB to decode, and 36 more laid over the background
    large = encode(Image.new("RGBA", (3000, 3000), (1, 2, 3, 4)), "PNG")
    server.invoke(large)
    before, peaks = server.resident_bytes(), [0]
    clients = [threading.Thread(target=lambda: server.invoke(large)) for _ in range(4)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        peaks.append(server.resident_bytes())
        time.sleep(0.005)
    assert max(peaks) - before < 120 * MEGABYTE
    assert server.ask("GET", "/ping").status == 200


@pytest.mark.parametrize(
    "body",
    [
        *[b"", b"{", b"[]", b"[1]", b"null", b"{}", b'{"image": 1}', b'{"image": "***"}', b'{"image": ""}'],
        *[b'{"image": "\\u00e9"}', b'{"image": "aGk=", "more": 1}', b'{"url": "http://169.254.169.254/"}'],
        *[b"[" * 100_000, b"\xff\xfe\x00"],
    ],
    ids=lambda body: repr(body[:24]),
)
def test_wrong_json_is_refused_in_a_sentence(server: ServerProcess, body: bytes) -> None:
    answer = server.invoke(body, "application/json")
    assert answer.status == 400
    assert answer.document["error"]["message"].endswith(".")


def test_body_above_the_limit_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_chunked_body_is_refused_once_it_exceeds_the_limit(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/invocations", iter([bytes(MEGABYTE)] * 8), encode_chunked=True)
    assert read_answer(connection).document["error"]["code"] == "body_too_large"
    connection.close()


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"GET\r\n\r\n", b"POST /invocations HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_malformed_http_does_not_stop_the_server(server: ServerProcess, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(garbage)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1000):
            continue
    assert server.ask("GET", "/ping").status == 200


def answered_or_refused(body: bytes) -> None:
    """Decoding ends in pixels or in a RequestError; any other exception fails the test."""
    try:
        assert decode(body, RECIPE, LIMITS).shape == (64, 64, 3)
    except RequestError as error:
        assert error.status in REFUSALS


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF....WEBP"])
)
def test_random_bytes_are_an_answer(tail: bytes, head: bytes) -> None:
    answered_or_refused(head + tail)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_pictures_are_an_answer(data: st.DataObject) -> None:
    small = sorted(name for name, body in ODD_PICTURES.items() if len(body) < 20_000)
    body = bytearray(ODD_PICTURES[data.draw(st.sampled_from(small))])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    answered_or_refused(bytes(body[: data.draw(st.integers(len(body) // 2, len(body)))]))
