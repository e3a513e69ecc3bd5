"""The packaged function with nothing of it replaced: a network of its own, with a real name server and a real web server.

A network namespace has no way out. In it 93.184.216.34 is this machine, names are looked up by the system's resolver, and
the certificate authority is the test's. Needs the right to make namespaces, which some machines deny.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lambda_src.predict.fetch import Fetcher
from lambda_src.predict.links import parse_link
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.certificates import Authority, make_authority
from tests.lambda_src.predict.samples import JPEG
from tests.lambda_src.tls_server import answer, redirect, running_server

ROOT = Path(__file__).parents[3]
PUBLIC, METADATA = "93.184.216.34", "169.254.169.254"
# Name -> the addresses that its name server gives, one list a question: the last again and again.
NAMES = {
    "public.example.com": [[PUBLIC]],
    "metadata.example.com": [[METADATA]],
    "mixed.example.com": [[PUBLIC, "10.0.0.5"]],
    "rebinding.example.com": [[PUBLIC], ["127.0.0.1"]],
    "redirecting.example.com": [[PUBLIC]],
    "again.example.com": [[PUBLIC], [METADATA]],
}
EXPECTED = {
    "https://public.example.com/dog.jpg": "fetched",
    "https://rebinding.example.com/dog.jpg": "fetched",
    "https://metadata.example.com/latest/meta-data/": "bad_url",
    "https://mixed.example.com/dog.jpg": "bad_url",
    "https://unknown.example.com/dog.jpg": "bad_url",
    "https://redirecting.example.com/": "bad_url",
    "https://again.example.com/": "bad_url",
}


def may_make_namespaces() -> bool:
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_make_namespaces(), reason="This machine lets nobody make a network of his own.")
def test_names_are_resolved_once_checked_and_connected_to_in_a_network_of_its_own(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = (
        f"ip link set lo up && ip addr add {PUBLIC}/32 dev lo && ip addr add {METADATA}/32 dev lo && "
        f'mount --bind {resolver} "$(readlink -f /etc/resolv.conf)" && exec "$0" -m {__name__} {tmp_path}'
    )
    done = subprocess.run(
        ["unshare", "-rmn", "bash", "-c", script, sys.executable],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outcomes"] == EXPECTED
    assert found["questions"] == {"rebinding.example.com": 1, "again.example.com": 2}
    assert found["connections"] == 4


class NameServer:
    """Answers questions for an IPv4 address over UDP; there are no others."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, caller = self._socket.recvfrom(512)
            self._socket.sendto(self._answer(question), caller)

    def _answer(self, question: bytes) -> bytes:
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += 1 + question[place]
        (kind,) = struct.unpack_from(">H", question, place + 1)
        name = ".".join(labels)
        addresses: list[str] = []
        if kind == 1 and name in NAMES:
            self.asked.append(name)
            lists = NAMES[name]
            addresses = lists[min(self.asked.count(name), len(lists)) - 1]
        head = struct.pack(">HHHHH", 0x8180 if name in NAMES else 0x8183, 1, len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a) for a in addresses)
        return question[:2] + head + question[12 : place + 5] + records


def outcome(fetcher: Fetcher, url: str) -> str:
    try:
        return "fetched" if fetcher.fetch(parse_link(url)) == JPEG else "another image"
    except Refusal as refusal:
        return refusal.code


def main() -> None:
    """Inside of the namespace."""
    authority: Authority = make_authority(Path(sys.argv[1]))
    contexts = {name: authority.server_context(name) for name in NAMES}
    first = contexts["public.example.com"]
    first.sni_callback = lambda sock, name, _context: setattr(sock, "context", contexts[str(name)])
    names = NameServer()
    connections = []
    with running_server(first, (PUBLIC, 443)) as server:
        first.sni_callback = lambda sock, name, _context: (
            connections.append(name),
            setattr(sock, "context", contexts[str(name)]),
        )[1]

        def script(sock: object) -> None:
            asked = connections[-1]
            if asked == "redirecting.example.com":
                redirect("https://metadata.example.com/latest/meta-data/")(sock)  # type: ignore[arg-type]
            elif asked == "again.example.com":
                redirect("https://again.example.com/more")(sock)  # type: ignore[arg-type]
            else:
                answer(JPEG)(sock)  # type: ignore[arg-type]

        server.script = script
        fetcher = Fetcher(timeout_seconds=3, max_bytes=100_000, make_tls=authority.trust)
        outcomes = {url: outcome(fetcher, url) for url in EXPECTED}
    questions = {name: names.asked.count(name) for name in ("rebinding.example.com", "again.example.com")}
    sys.stdout.write(json.dumps({"outcomes": outcomes, "questions": questions, "connections": len(connections)}))


if __name__ == "__main__":
    main()
