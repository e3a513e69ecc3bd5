import json
import ssl
import urllib.request
from urllib.error import URLError

import pytest

from lambda_src.build_image.answer import Ticket, fail, put_over_https
from tests.lambda_src.certificates import Authority
from tests.lambda_src.tls_server import TlsServer, answer, redirect


@pytest.fixture
def opener(authority: Authority) -> urllib.request.OpenerDirector:
    context = authority.trust()
    context.check_hostname = False  # the server is reached by its address
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def url_of(server: TlsServer) -> str:
    return f"https://127.0.0.1:{server.port}/answer?X-Amz-Signature=1"


def test_the_answer_is_put_as_the_signed_url_expects(server: TlsServer, opener: urllib.request.OpenerDirector) -> None:
    server.script = answer(b"")
    put_over_https(url_of(server), b"{}", opener)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "put /answer?x-amz-signature=1 http/1.1"
    assert "content-type: " in lines
    assert "content-length: 2" in lines
    assert body == b"{}"


def test_plain_http_is_refused(opener: urllib.request.OpenerDirector) -> None:
    with pytest.raises(ValueError, match="not https"):
        put_over_https("http://127.0.0.1:9/answer", b"{}", opener)


def test_a_file_url_is_refused() -> None:
    with pytest.raises(ValueError, match="not https"):
        put_over_https("file:///etc/passwd", b"{}")


@pytest.mark.parametrize("status", ["403 Forbidden", "500 Internal Server Error"])
def test_a_refused_answer_is_an_error(server: TlsServer, opener: urllib.request.OpenerDirector, status: str) -> None:
    server.script = answer(b"", status=status)
    with pytest.raises(OSError, match=status[:3]) as refused:
        put_over_https(url_of(server), b"{}", opener)
    refused.value.close()  # type: ignore[attr-defined]


def test_a_redirect_is_not_followed(server: TlsServer, opener: urllib.request.OpenerDirector) -> None:
    server.script = redirect("https://127.0.0.1/elsewhere", "307 Temporary Redirect")
    with pytest.raises(OSError, match="307") as refused:
        put_over_https(url_of(server), b"{}", opener)
    refused.value.close()  # type: ignore[attr-defined]
    assert len(server.requests) == 1


def test_an_unknown_certificate_is_an_error(server: TlsServer) -> None:
    with pytest.raises(URLError) as refused:
        put_over_https(url_of(server), b"{}")
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
    assert server.requests == []


@pytest.mark.parametrize("reason", ["x" * 9000, '"' * 9000, "é" * 9000, "🐕" * 9000, "\n" * 9000 + "x"])
def test_a_reason_of_any_length_fits_into_what_cloudformation_takes(reason: str) -> None:
    sent: list[bytes] = []
    ticket = Ticket(
        response_url="https://x",
        stack_id="arn:aws:cloudformation:us-east-1:123456789012:stack/" + "s" * 128,
        request_id="r" * 36,
        logical_resource_id="l" * 255,
        physical_resource_id="p" * 300,
    )
    fail(lambda _url, body: sent.append(body), ticket, reason)
    assert len(sent[0]) <= 4096
    assert json.loads(sent[0])["Status"] == "FAILED"
