"""Signed requests over kept-alive connections, against a real server and beside botocore's own client."""

import socket
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import botocore.session
import pytest
from botocore.config import Config

from lambda_src.predict import aws
from lambda_src.predict.aws import Aws, NoAnswerError, NoCredentialsError, Service, bucket, runtime
from lambda_src.predict.connection import TooLargeError
from tests.lambda_src.certificates import Authority
from tests.lambda_src.conftest import HOST
from tests.lambda_src.predict.aws_server import KEYS, AwsServer, aws_server
from tests.lambda_src.tls_server import answer, running_server


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        yield running


def ask(service: Service, body: bytes = b"image") -> int:
    return service.ask("POST", "/endpoints/e/invocations", {"Content-Type": "image/png"}, body).status


def test_a_request_is_signed_for_its_service_and_region(server: AwsServer) -> None:
    assert ask(server.service()) == 200
    (asked,) = server.asked
    assert asked.body == b"image"
    said = asked.headers["Authorization"]
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIAFIRST/")
    assert "/eu-west-1/sagemaker/aws4_request" in said
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in said
    assert asked.headers["X-Amz-Security-Token"] == "token"


def test_credentials_that_were_renewed_are_used(server: AwsServer) -> None:
    environment = {**KEYS, "AWS_ENDPOINT_URL": server.url}
    server.made.append(asking := runtime(Aws(environment), 2))
    ask(asking)
    environment["AWS_ACCESS_KEY_ID"] = "AKIASECOND"
    ask(asking)
    assert ["AKIASECOND" in asked.headers["Authorization"] for asked in server.asked] == [False, True]


def test_without_credentials_nothing_is_sent(server: AwsServer) -> None:
    with pytest.raises(NoCredentialsError, match="AWS_SECRET_ACCESS_KEY is not set"):
        ask(runtime(Aws({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_ENDPOINT_URL": server.url}), 2))
    assert server.asked == []


def test_requests_one_after_another_share_a_connection(server: AwsServer) -> None:
    asking = server.service()
    for _ in range(3):
        ask(asking)
    assert len(set(server.ports())) == 1


def test_a_connection_that_went_stale_is_made_anew(server: AwsServer) -> None:
    asking, server.closes = server.service(), True
    assert [ask(asking), ask(asking), ask(asking)] == [200, 200, 200]
    assert len(set(server.ports())) == 3


def test_all_idle_connections_are_given_up_with_one_that_went_stale(server: AwsServer) -> None:
    asking, server.closes = server.service(), True
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: ask(asking), range(4)))
    server.closes = False
    time.sleep(0.05)
    assert ask(asking) == 200
    assert ask(asking) == 200
    assert len(set(server.ports()[4:])) == 1


def test_threads_that_ask_at_once_never_take_the_same_connection(server: AwsServer) -> None:
    asking = server.service()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: ask(asking), range(200))) == [200] * 200
    assert len({asked.connection for asked in server.asked}) <= 8


def test_a_list_of_idle_connections_that_another_thread_emptied_is_no_fault(server: AwsServer) -> None:
    class Emptied(list):  # type: ignore[type-arg]
        """As it looks to a thread that is overtaken between its look and its grasp."""

        def __bool__(self) -> bool:
            return True

    asking = server.service()
    asking._idle = Emptied()
    assert ask(asking) == 200


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_a_fresh_connection_that_breaks_is_not_tried_again(server: AwsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        asking = server.service(AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=f"http://127.0.0.1:{rude.getsockname()[1]}")
        with ThreadPoolExecutor(1) as threads:
            hung_up = threads.submit(hang_up, rude)
            with pytest.raises(NoAnswerError) as failed:
                ask(asking)
            hung_up.result(timeout=5)
        assert not failed.value.timed_out
        rude.settimeout(0.05)
        with pytest.raises(TimeoutError):
            rude.accept()


def test_an_answer_that_does_not_come_is_waited_for_once(server: AwsServer) -> None:
    asking = server.service(answer_seconds=0.2)
    ask(asking)
    server.meanwhile = lambda: time.sleep(0.6)
    started = time.monotonic()
    with pytest.raises(NoAnswerError) as failed:
        ask(asking)
    assert failed.value.timed_out
    assert time.monotonic() - started < 0.5
    assert len(server.asked) == 2


def test_an_answer_may_take_longer_than_a_connection(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "MAX_CONNECT_SECONDS", 0.2)
    server.meanwhile = lambda: time.sleep(0.4)
    assert ask(server.service(answer_seconds=5)) == 200


@pytest.fixture
def bundle(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(authority.pem())
    return path


@pytest.mark.parametrize(("certified", "asked"), [("localhost", True), (HOST, False)])
def test_over_tls_only_who_has_a_certificate_for_its_name_is_asked(
    authority: Authority, bundle: Path, certified: str, asked: bool
) -> None:
    with running_server(authority.server_context(certified)) as tls:
        tls.script = answer(b"found")
        place = f"https://localhost:{tls.port}"
        asking = runtime(Aws({**KEYS, "AWS_ENDPOINT_URL": place, "AWS_CA_BUNDLE": str(bundle)}), 2)
        if asked:
            assert asking.ask("POST", "/endpoints/e/invocations", {}, b"image").body == b"found"
            (request,) = tls.requests
            assert f"Host: localhost:{tls.port}\r\n".encode() in request
            assert request.endswith(b"\r\n\r\nimage")
        else:
            with pytest.raises(NoAnswerError, match="SSLCertVerificationError"):
                ask(asking)
            assert tls.requests == []
        asking.close()


def test_a_connection_that_cannot_be_made_is_no_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(NoAnswerError) as failed:
        ask(runtime(Aws({**KEYS, "AWS_ENDPOINT_URL": address}), 0.2))
    assert not failed.value.timed_out


@pytest.mark.parametrize("max_bytes", [9, 0])
def test_more_than_was_wanted_is_not_read(server: AwsServer, max_bytes: int) -> None:
    server.body = b"0123456789"
    asking = server.service()
    with pytest.raises(TooLargeError):
        asking.ask("GET", "/key", {}, max_bytes=max_bytes)
    assert asking.ask("GET", "/key", {}, max_bytes=10).body == b"0123456789"
    assert len(set(server.ports())) == 2


@pytest.mark.parametrize(
    ("region", "runtime_host", "bucket_host"),
    [
        ("eu-west-1", "runtime.sagemaker.eu-west-1.amazonaws.com", "photos.s3.eu-west-1.amazonaws.com"),
        ("us-east-1", "runtime.sagemaker.us-east-1.amazonaws.com", "photos.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "runtime.sagemaker.cn-north-1.amazonaws.com.cn", "photos.s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "runtime.sagemaker.us-gov-west-1.amazonaws.com", "photos.s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_hosts_are_those_that_botocore_asks(region: str, runtime_host: str, bucket_host: str) -> None:
    there = Aws({**KEYS, "AWS_REGION": region})
    assert urllib.parse.urlsplit(runtime(there, 1)._url).hostname == runtime_host
    assert urllib.parse.urlsplit(bucket(there, "photos", 1)._url).hostname == bucket_host
    session = botocore.session.Session()
    client = session.create_client("sagemaker-runtime", region_name=region)
    assert client.meta.endpoint_url == f"https://{runtime_host}"


def test_a_signed_url_is_the_one_that_botocore_makes() -> None:
    headers = {"content-length": "77", "content-type": "image/png"}
    ours = bucket(Aws(KEYS), "photos", 1).presign("PUT", "/uploads/a", headers, 300)
    session = botocore.session.Session()
    session.set_credentials("AKIAFIRST", "secret", "token")
    # Without the checksum that newer clients ask the uploader for.
    config = Config(
        signature_version="s3v4", s3={"addressing_style": "virtual"}, request_checksum_calculation="when_required"
    )
    client = session.create_client("s3", region_name="eu-west-1", config=config)
    wanted = {"Bucket": "photos", "Key": "uploads/a", "ContentType": "image/png", "ContentLength": 77}
    theirs = client.generate_presigned_url("put_object", Params=wanted, ExpiresIn=300)
    one, other = (urllib.parse.urlsplit(url) for url in (ours, theirs))
    assert (one.netloc, one.path) == (other.netloc, other.path)
    moment = {"X-Amz-Date", "X-Amz-Signature"}
    asked, expected = (dict(urllib.parse.parse_qsl(url.query)) for url in (one, other))
    assert {name: value for name, value in asked.items() if name not in moment} == {
        name: value for name, value in expected.items() if name not in moment
    }
    assert asked["X-Amz-SignedHeaders"] == "content-length;content-type;host"
