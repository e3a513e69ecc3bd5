"""Requests that must be refused, each with the status that it must get; the same ones in every run."""

import base64
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SEED = 20261121
# What names resolve to here: something for every reason to refuse an address.
NOT_PUBLIC = (
    *(
        "127.0.0.1",
        "10.0.0.5",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - resolved to, not bound
        "255.255.255.255",
    ),
    *("192.0.0.192", "168.63.129.16", "224.0.0.1", "198.18.0.1", "203.0.113.7", "192.88.99.1", "240.0.0.1"),
    *("::1", "::", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1%eth0"),
    *("fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "3fff::1", "fec0::1"),
)
ADDRESSES = (
    *("127.0.0.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::1]", "[fe80::1%25eth0]"),
    *(
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "169。254。169。254",
        "0",
        "1.1",
        "[::ffff:a9fe:a9fe]",
        "127.1",
        "017700000001",
        "[0:0:0:0:0:ffff:7f00:1]",
    ),
)
LOCAL_NAMES = (
    "localhost",
    "localhost.",
    "metadata",
    "instance-data",
    "ip6-loopback",
    "a",
    "-a.example",
    "a..example",
    ".",
)
SCHEMES = ("http", "ftp", "file", "gopher", "data", "javascript", "HTTP", "httpss", "s3", "ws", "", "//")
NAMES = ("images", "a1", "cdn-7", "x_y", "bücher", "xn--bcher-kva", "例え")
# What the two standards of international names read differently.
DEVIATIONS = ("stra\u00dfe", "\u03c2", "a\u200db", "1e9e\u1e9e")
PATHS = ("", "/", "/dog.jpg", "/a/../b", "/?q=1", "/a%2f..%2fb", "/%00", "/latest/meta-data/iam/")
SPOILERS = (" ", "\t", "\n", "\r\n", "\\", "\x00", "\x7f", "\u00a0")


@dataclass(frozen=True)
class Hostile:
    event: Any
    statuses: frozenset[int]
    """Those of which the answer must have one."""


def urls(count: int) -> Iterator[tuple[str, Hostile]]:
    """URLs of every kind, each to be refused for what it says or for where its name leads; none may be fetched."""
    chance = random.Random(SEED)  # noqa: S311 - a reproducible choice, no secret
    kinds = (_scheme, _address, _local, _user, _port, _spoiled, _long, _private, _private, _deviation)
    for number in range(count):
        url = kinds[number % len(kinds)](chance)
        yield url, Hostile({"url": url}, frozenset({400}))


def _name(chance: random.Random) -> str:
    return f"{chance.choice(NAMES)}-{chance.randrange(10**6)}.example.com"


def _scheme(chance: random.Random) -> str:
    return f"{chance.choice(SCHEMES)}://{_name(chance)}{chance.choice(PATHS)}"


def _address(chance: random.Random) -> str:
    return f"https://{chance.choice(ADDRESSES)}{chance.choice(PATHS)}"


def _local(chance: random.Random) -> str:
    return f"https://{chance.choice(LOCAL_NAMES)}{chance.choice(PATHS)}"


def _user(chance: random.Random) -> str:
    return f"https://{chance.choice(('user', 'a:b', '', 'example.com'))}@{_name(chance)}{chance.choice(PATHS)}"


def _port(chance: random.Random) -> str:
    port = chance.choice(("80", "8443", "22", "0", "9001", "65536", "-1", "४४३", "443x"))
    return f"https://{_name(chance)}:{port}{chance.choice(PATHS)}"


def _spoiled(chance: random.Random) -> str:
    url = f"https://{_name(chance)}/dog.jpg"
    place = chance.randrange(1, len(url))
    return url[:place] + chance.choice(SPOILERS) + url[place:]


def _long(chance: random.Random) -> str:
    return f"https://{_name(chance)}/" + "a" * chance.randrange(4_097, 6_000)


def _private(chance: random.Random) -> str:
    return f"https://{_name(chance)}{chance.choice(PATHS)}"


def _deviation(chance: random.Random) -> str:
    return f"https://{chance.choice(DEVIATIONS)}-{chance.randrange(999)}.example.com/"


def bodies(count: int) -> Iterator[Hostile]:
    """Bodies of every kind: no image, a bomb, damage, the wrong type, the wrong shape."""
    chance = random.Random(SEED)  # noqa: S311 - as above
    kinds = (_noise, _markup, _bomb, _cut, _other_type, _no_json, _wrong_json, _no_base64, _no_form, _too_large)
    for number in range(count):
        yield kinds[number % len(kinds)](chance)


def _sent(body: bytes, content_type: str, *statuses: int) -> Hostile:
    event = {
        "routeKey": "POST /predict",
        "headers": {"content-type": content_type},
        "requestContext": {"http": {"method": "POST"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return Hostile(event, frozenset(statuses))


def _noise(chance: random.Random) -> Hostile:
    return _sent(b"\x01" + chance.randbytes(chance.randrange(1, 3_000)), "image/jpeg", 415)


def _markup(chance: random.Random) -> Hostile:
    start = chance.choice(
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", b"<html>", b"<?xml version='1.0'?>", b"%PDF-1.7", b"BM")
    )
    return _sent(start + chance.randbytes(200), "image/png", 415)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _bomb(chance: random.Random) -> Hostile:
    return _sent(png_header(chance.randrange(5_001, 60_001), chance.randrange(5_000, 60_001)), "image/png", 413)


def _cut(chance: random.Random) -> Hostile:
    start = chance.choice((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP"))
    return _sent(start + bytes(chance.randrange(0, 8)), "image/jpeg", 422)


def _other_type(chance: random.Random) -> Hostile:
    kind = chance.choice(
        ("text/html", "application/xml", "application/x-www-form-urlencoded", "video/mp4", "x", "multipart/mixed")
    )
    return _sent(chance.randbytes(50), kind, 415)


def _no_json(chance: random.Random) -> Hostile:
    return _sent(chance.choice((b"{", b"", b"[" * 5_000, b"nul", b'{"a":}', b"\xff\xfe")), "application/json", 400)


def _wrong_json(chance: random.Random) -> Hostile:
    text = chance.choice(
        (
            b'{"url": 7}',
            b"[]",
            b"7",
            b'{"url": "https://a.example", "image": "aa"}',
            b'{"images": []}',
            b'{"s3": {"key": "models/model.tar.gz"}}',
            b'{"url": "https://a.example", "top_k": 1e9}',
            b'{"__proto__": {}}',
            b'{"images": [[[[]]]]}',
        )
    )
    return _sent(text, "application/json", 400)


def _no_base64(chance: random.Random) -> Hostile:
    text = "".join(chance.choice("ab*!=\u00e9") for _ in range(40)) + "*"
    return Hostile({"image": text}, frozenset({400}))


def _no_form(chance: random.Random) -> Hostile:
    body = chance.choice(
        (b"", b"--x\r\n", b"--x\r\n\r\n\r\n--x--", b"--x\r\nA: 1\r\n\r\n\r\n--x--", b"--x--", b"--x\r\n" * 200)
    )
    return _sent(body, "multipart/form-data; boundary=x", 400)


def _too_large(chance: random.Random) -> Hostile:
    return _sent(b"\xff\xd8\xff" + bytes(chance.randrange(100_001, 110_000)), "image/jpeg", 413)
