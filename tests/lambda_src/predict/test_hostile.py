"""Whatever comes in, the function answers with a sentence and asks nobody whom it should not."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.predict.fetch import Fetcher
from lambda_src.predict.images import check_image
from lambda_src.predict.links import Link, follow, parse_link
from lambda_src.predict.refusals import STATUS_OF_CODE, Refusal
from lambda_src.predict.service import Service
from tests.lambda_src.predict.samples import JPEG, http_event, image_file, make_service

KNOWN_STATUSES = {200, *STATUS_OF_CODE.values()} - {500}

PIECES = "https http :// : // / \\ @ # ? [ ] %2e . .. 169.254.169.254 ::1 0x7f 0177 localhost example.com xn-- ① 。 443"
url_pieces = st.sampled_from([*PIECES.split(), "\u200d", "\ufeff", "\t", "\n", "\x00", "\ud800", "\udcff"])
rests = st.lists(url_pieces | st.text(max_size=3), max_size=12).map("".join)
urls = st.sampled_from(["", "https://", "https://example.com/"]).flatmap(lambda start: rests.map(start.__add__))
images = st.sampled_from([JPEG, *(image_file(kind) for kind in ("PNG", "GIF", "WEBP"))])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["url", "image", "s3", "key", "images", "top_k", "raw", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None)
@given(url=urls)
def test_any_text_is_either_refused_or_an_https_url_of_a_named_host(url: str) -> None:
    try:
        link = parse_link(url)
    except Refusal as refusal:
        assert refusal.code == "bad_url"
    else:
        assert re.fullmatch(r"[a-z0-9_.-]+\.[a-z][a-z0-9-]*", link.host)
        assert link.target.startswith("/")
        assert link.target.isascii()
        assert link.target.isprintable()
        assert " " not in link.target


@settings(max_examples=300, deadline=None)
@given(location=urls.map(lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1")))
def test_any_redirect_is_either_refused_or_leads_to_a_named_host(location: str) -> None:
    try:
        link = follow(Link("example.com", "/a"), location)
    except Refusal as refusal:
        assert refusal.code == "bad_url"
    else:
        assert link.host.rpartition(".")[2][0].isalpha()


@settings(max_examples=500, deadline=None)
@given(image=images, cut=st.integers(0, 800), at=st.integers(0, 60), junk=st.binary(max_size=8))
def test_any_damage_to_an_image_is_either_harmless_or_refused(image: bytes, cut: int, at: int, junk: bytes) -> None:
    damaged = (image[:at] + junk + image[at + len(junk) :])[: len(image) - cut]
    try:
        assert check_image(damaged).startswith("image/")
    except Refusal as refusal:
        assert refusal.status in (413, 415, 422)


def hostile(log: list[dict[str, Any]]) -> Service:
    def forbidden(*_: object) -> Any:
        raise AssertionError("Nothing of this kind may be connected to.")

    fetcher = Fetcher(
        timeout_seconds=1, max_bytes=1000, resolver=lambda _host, _timeout: ["169.254.169.254"], connector=forbidden
    )
    return make_service(fetcher=fetcher, log=log)


@settings(max_examples=300, deadline=None)
@given(event=json_values | st.fixed_dictionaries({"url": urls}) | st.fixed_dictionaries({"image": st.text()}))
def test_any_direct_event_gets_an_answer(event: object) -> None:
    log: list[dict[str, Any]] = []
    answer = hostile(log).answer(event, "r")
    assert answer["statusCode"] in KNOWN_STATUSES, log
    assert set(json.loads(answer["body"])) == {"error", "request_id"}


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()),
    content_type=st.sampled_from(
        ["application/json", "image/png", "text/plain", "application/octet-stream", "multipart/form-data; boundary=x"]
    )
    | st.text(),
    query=st.dictionaries(st.sampled_from(["top_k", "raw", "x"]), st.text(), max_size=2),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    is_base64=st.booleans() | st.none(),
)
def test_any_http_event_gets_an_answer(
    body: bytes, content_type: str, query: dict[str, str], method: str, is_base64: bool | None
) -> None:
    event = http_event(method, "/predict", content_type=content_type, query=query)
    event |= {"body": body.decode("latin-1"), "isBase64Encoded": is_base64}
    log: list[dict[str, Any]] = []
    assert hostile(log).answer(event, "r")["statusCode"] in KNOWN_STATUSES, log
