import socket
import ssl
import time

import pytest

from lambda_src.predict.fetch import Fetcher
from lambda_src.predict.links import Link
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.certificates import Authority
from tests.lambda_src.conftest import HOST
from tests.lambda_src.predict.conftest import PUBLIC_ADDRESS, MakeFetcher, Network
from tests.lambda_src.predict.samples import JPEG
from tests.lambda_src.tls_server import Script, TlsServer, answer, in_turn, raw, redirect

LINK = Link(HOST, "/dog.jpg?size=3")


def refusal_of(fetcher: Fetcher, link: Link = LINK) -> Refusal:
    with pytest.raises(Refusal) as refused:
        fetcher.fetch(link)
    return refused.value


def test_an_image_is_fetched_whole(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = answer(JPEG)
    assert make_fetcher().fetch(LINK) == JPEG


def test_a_chunked_image_is_fetched_whole(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (JPEG[:5], JPEG[5:]))
    server.script = answer(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked", length=False)
    assert make_fetcher().fetch(LINK) == JPEG


def test_an_image_without_a_length_is_fetched_to_the_end(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = answer(JPEG, length=False)
    assert make_fetcher().fetch(LINK) == JPEG


def test_the_request_asks_for_the_target_uncompressed(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = answer(JPEG)
    make_fetcher().fetch(LINK)
    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /dog.jpg?size=3 HTTP/1.1"
    assert {f"Host: {HOST}", "Accept-Encoding: identity"} <= set(lines)


def test_the_connection_goes_to_the_checked_address_with_the_name_in_the_handshake(
    make_fetcher: MakeFetcher, server: TlsServer, network: Network
) -> None:
    server.script = answer(JPEG)
    make_fetcher().fetch(LINK)
    assert network.connected == [(PUBLIC_ADDRESS, 443)]
    assert server.names == [HOST]


def test_a_resolver_that_changes_its_mind_is_asked_only_once(
    make_fetcher: MakeFetcher, server: TlsServer, network: Network
) -> None:
    server.script = answer(JPEG)
    make_fetcher().fetch(LINK)
    assert network.resolved == [HOST]


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "10.0.0.5", "64:ff9b::a9fe:a9fe", "168.63.129.16"])
def test_a_name_with_a_private_address_is_never_connected_to(
    make_fetcher: MakeFetcher, network: Network, address: str
) -> None:
    network.addresses[HOST] = [address]
    assert refusal_of(make_fetcher()).code == "bad_url"
    assert network.connected == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(make_fetcher: MakeFetcher, network: Network) -> None:
    network.addresses[HOST] = [PUBLIC_ADDRESS, "10.0.0.5"]
    assert refusal_of(make_fetcher()).code == "bad_url"
    assert network.connected == []


def test_an_unknown_name_and_a_private_one_get_the_same_sentence(make_fetcher: MakeFetcher, network: Network) -> None:
    network.addresses[HOST] = []
    unknown = refusal_of(make_fetcher()).message
    network.addresses[HOST] = ["10.0.0.5"]
    assert refusal_of(make_fetcher()).message == unknown


def test_the_next_address_is_tried_when_one_refuses(
    make_fetcher: MakeFetcher, server: TlsServer, network: Network
) -> None:
    server.script = answer(JPEG)
    network.addresses[HOST] = ["2606:4700::1111", PUBLIC_ADDRESS]
    network.dead = {"2606:4700::1111"}
    assert make_fetcher().fetch(LINK) == JPEG


def test_a_certificate_for_another_name_is_refused(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = answer(JPEG)
    refusal = refusal_of(make_fetcher(), Link("other.example.com", "/"))
    assert (refusal.status, "certificate" in refusal.message) == (422, True)
    assert server.requests == []


def test_a_certificate_by_an_unknown_authority_is_refused(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    refusal = refusal_of(make_fetcher(make_tls=ssl.create_default_context))
    assert "certificate" in refusal.message
    assert server.requests == []


def test_a_host_off_the_list_is_refused_before_its_name_is_looked_up(
    make_fetcher: MakeFetcher, network: Network
) -> None:
    refusal = refusal_of(make_fetcher(allowed_hosts=("cdn.example.com", "*.example.org")))
    assert "cdn.example.com, *.example.org" in refusal.message
    assert network.resolved == []


@pytest.mark.parametrize("pattern", [HOST, "*.example.com"])
def test_a_host_on_the_list_is_fetched(make_fetcher: MakeFetcher, server: TlsServer, pattern: str) -> None:
    server.script = answer(JPEG)
    assert make_fetcher(allowed_hosts=(pattern,)).fetch(LINK) == JPEG


@pytest.mark.parametrize("host", ["example.org", "badexample.org", "example.org.evil.com"])
def test_a_star_covers_only_what_lies_below_the_name(make_fetcher: MakeFetcher, host: str) -> None:
    assert refusal_of(make_fetcher(allowed_hosts=("*.example.org",)), Link(host, "/")).code == "bad_url"


def test_a_redirect_is_followed(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = in_turn(redirect("/moved.jpg"), answer(JPEG))
    assert make_fetcher().fetch(LINK) == JPEG
    assert server.requests[1].startswith(b"GET /moved.jpg HTTP/1.1")


def test_three_redirects_are_followed_and_a_fourth_is_not(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = redirect("/round")
    assert "redirected more than 3 times" in refusal_of(make_fetcher()).message
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://images.example.com/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost:9001/2018-06-01/runtime/invocation/next",
        "file:///proc/self/environ",
        "https://images.example.com:8443/",
        "https://user@images.example.com/",
    ],
)
def test_a_redirect_to_a_forbidden_place_is_refused(
    make_fetcher: MakeFetcher, server: TlsServer, location: str
) -> None:
    server.script = redirect(location)
    assert refusal_of(make_fetcher()).code == "bad_url"
    assert len(server.requests) == 1


def test_a_redirect_to_a_name_with_a_private_address_is_refused(
    make_fetcher: MakeFetcher, server: TlsServer, network: Network
) -> None:
    network.addresses["inside.example.com"] = ["10.0.0.5"]
    server.script = redirect("https://inside.example.com/")
    assert refusal_of(make_fetcher()).code == "bad_url"
    assert network.connected == [(PUBLIC_ADDRESS, 443)]


def test_a_redirect_off_the_list_of_hosts_is_refused(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = redirect("https://elsewhere.example.net/")
    assert "elsewhere.example.net" in refusal_of(make_fetcher(allowed_hosts=(HOST,))).message


def test_a_name_that_is_rebound_between_redirects_is_checked_again(
    make_fetcher: MakeFetcher, server: TlsServer, network: Network
) -> None:
    def rebind(sock: ssl.SSLSocket) -> None:
        network.addresses[HOST] = ["127.0.0.1"]
        redirect("/again")(sock)

    server.script = rebind
    assert refusal_of(make_fetcher()).code == "bad_url"
    assert len(network.connected) == 1


@pytest.mark.parametrize(
    "script",
    [
        answer(b"0" * 100_001),
        answer(JPEG + b"0" * 100_000),
        answer(JPEG + b"0" * 100_000, length=False),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n" + JPEG),
    ],
    ids=["announced", "announced image", "unannounced", "100 MB announced"],
)
def test_more_bytes_than_allowed_are_refused(make_fetcher: MakeFetcher, server: TlsServer, script: Script) -> None:
    server.script = script
    assert refusal_of(make_fetcher()).status == 413


@pytest.mark.parametrize("body", [b"", b"<html>secret</html>", b"<svg xmlns='x'/>", b"BM" + b"0" * 90, b"%PDF-1.7"])
def test_what_is_no_image_is_refused_whatever_it_is_called(
    make_fetcher: MakeFetcher, server: TlsServer, body: bytes
) -> None:
    server.script = answer(body, "Content-Type: image/jpeg")
    refusal = refusal_of(make_fetcher())
    assert refusal.status == 415
    assert "secret" not in refusal.message


def test_a_page_is_refused_on_its_first_bytes(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    def page_without_end(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n<html><body>")
        time.sleep(0.5)

    server.script = page_without_end
    started = time.monotonic()
    assert refusal_of(make_fetcher()).status == 415
    assert time.monotonic() - started < 0.4


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "GZIP", "identity, gzip"])
def test_a_compressed_answer_is_refused_unread(make_fetcher: MakeFetcher, server: TlsServer, encoding: str) -> None:
    server.script = answer(JPEG, f"Content-Encoding: {encoding}")
    assert "compressed" in refusal_of(make_fetcher()).message


@pytest.mark.parametrize("status", ["404 Not Found", "204 No Content", "206 Partial", "401 Unauthorized", "500 Oops"])
def test_any_status_but_200_is_told_by_its_number(make_fetcher: MakeFetcher, server: TlsServer, status: str) -> None:
    server.script = answer(JPEG, status=status)
    assert f"answered with status {status[:3]}" in refusal_of(make_fetcher()).message


@pytest.mark.parametrize(
    "script",
    [
        raw(b""),
        raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
        raw(b"HTTP/1.1 two hundred\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"0" * 70_000 + b"\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + JPEG[:600]),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + JPEG),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + JPEG),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n" + JPEG),
        raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=[
        "nothing",
        "another protocol",
        "no status",
        "long header",
        "many headers",
        "short body",
        "no chunk length",
        "short chunk",
        "chunk beyond 64 bits",
        "redirect to nowhere",
    ],
)
def test_a_broken_answer_is_the_links_fault(make_fetcher: MakeFetcher, server: TlsServer, script: Script) -> None:
    server.script = script
    assert refusal_of(make_fetcher()).status == 422


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\xff\xd8\xff", b"0" * 64),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"0" * 64),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n0\r\n", b"X: 1\r\n"),
    ],
    ids=["chunk of negative length", "interim answers", "chunk extension", "trailers"],
)
def test_a_flood_beside_the_body_is_cut_off(
    make_fetcher: MakeFetcher, server: TlsServer, start: bytes, unit: bytes
) -> None:
    sent_bytes = 0

    def flood(sock: ssl.SSLSocket) -> None:
        nonlocal sent_bytes
        sock.sendall(start)
        for _ in range(1000):
            sock.sendall(unit * 1000)
            sent_bytes += len(unit) * 1000

    server.script = flood
    assert refusal_of(make_fetcher(timeout_seconds=30)).status in (413, 415, 422)
    server.finish()
    # 100 KB are allowed here, 256 KB of framing, and loopback's buffers hold a few MB.
    assert sent_bytes < 10_000_000


@pytest.mark.parametrize(
    "prefix", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n\xff\xd8\xff"], ids=["headers", "body"]
)
def test_a_server_that_dribbles_is_left_at_the_deadline(
    make_fetcher: MakeFetcher, server: TlsServer, prefix: bytes
) -> None:
    def dribble(sock: ssl.SSLSocket) -> None:
        sock.sendall(prefix)
        for _ in range(100):
            sock.sendall(b"H")
            time.sleep(0.05)

    server.script = dribble
    started = time.monotonic()
    assert "within 0.4 s" in refusal_of(make_fetcher(timeout_seconds=0.4)).message
    assert time.monotonic() - started < 0.9


def test_redirects_share_one_deadline(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    def slow_redirect(sock: ssl.SSLSocket) -> None:
        time.sleep(0.2)
        redirect("/again")(sock)

    server.script = slow_redirect
    started = time.monotonic()
    assert "within 0.5 s" in refusal_of(make_fetcher(timeout_seconds=0.5)).message
    assert time.monotonic() - started < 0.8


def test_a_server_silent_in_its_handshake_is_left_at_the_deadline(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fetcher = Fetcher(
            timeout_seconds=0.3,
            max_bytes=1000,
            resolver=lambda _host, _timeout: [PUBLIC_ADDRESS],
            connector=lambda _address, _port, timeout: socket.create_connection(mute.getsockname(), timeout),
            make_tls=authority.trust,
        )
        assert "within 0.3 s" in refusal_of(fetcher).message


def test_a_server_without_tls_is_refused(authority: Authority) -> None:
    near, far = socket.socketpair()
    with far:
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        fetcher = Fetcher(
            timeout_seconds=2,
            max_bytes=1000,
            resolver=lambda _host, _timeout: [PUBLIC_ADDRESS],
            connector=lambda *_: near,
            make_tls=authority.trust,
        )
        assert "TLS" in refusal_of(fetcher).message


def test_the_refusal_names_the_host_but_not_the_query(make_fetcher: MakeFetcher, server: TlsServer) -> None:
    server.script = answer(b"", status="403 Forbidden")
    refusal = refusal_of(make_fetcher(), Link(HOST, "/dog.jpg?signature=abc123"))
    assert HOST in refusal.message
    assert "abc123" not in refusal.message
