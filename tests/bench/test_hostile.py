"""What the bench calls hostile is: each request is refused as it says, and none makes the function connect anywhere."""

import zlib

from bench import hostile
from lambda_src.predict.addresses import is_public
from lambda_src.predict.fetch import Fetcher
from tests.lambda_src.predict.samples import make_service


def forbidden(*_):
    raise AssertionError("Nothing of this kind may be connected to.")


def service():
    fetcher = Fetcher(
        timeout_seconds=1,
        max_bytes=1_000,
        resolver=lambda host, _timeout: [hostile.NOT_PUBLIC[zlib.crc32(host.encode()) % len(hostile.NOT_PUBLIC)]],
        connector=forbidden,
    )
    return make_service(fetcher=fetcher, MAX_IMAGE_BYTES="100000", MAX_UPLOAD_BYTES="0")


def test_no_address_that_names_lead_to_is_public():
    assert not any(is_public(address) for address in hostile.NOT_PUBLIC)


def test_every_hostile_url_is_refused():
    answering = service()
    for url, one in hostile.urls(1_000):
        assert answering.answer(one.event, "r")["statusCode"] in one.statuses, url


def test_every_hostile_body_is_refused():
    answering = service()
    for one in hostile.bodies(200):
        answer = answering.answer(one.event, "r")
        assert answer["statusCode"] in one.statuses, (one, answer)


def test_the_same_requests_come_in_every_run():
    assert [url for url, _ in hostile.urls(50)] == [url for url, _ in hostile.urls(50)]
    assert [one.event for one in hostile.bodies(50)] == [one.event for one in hostile.bodies(50)]
