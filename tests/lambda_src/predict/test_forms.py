"""Forms as browsers and curl send them, written here by urllib3, and everything that only looks like one."""

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.predict.forms import MAX_PARTS, Part, read_form
from lambda_src.predict.payload import Limits, Source, read_http
from lambda_src.predict.refusals import Refusal
from tests.lambda_src.predict.samples import JPEG, http_event

LIMITS = Limits(max_image_bytes=10_000, max_images=3)
KIND = 'multipart/form-data; boundary="x"'


def sent(fields, **event):
    body, kind = urllib3.encode_multipart_formdata(fields)
    return http_event("POST", "/predict", body=body, content_type=kind, **event)


def image(name="image", content=JPEG):
    return (name, ("photo.jpg", content, "image/jpeg"))


def test_an_image_in_a_form_is_one_image():
    request = read_http(sent([image(), ("top_k", "3"), ("raw", "true")]), LIMITS)
    assert (request.sources, request.several) == ((Source(image=JPEG),), False)
    assert (request.top_k, request.raw) == (3, True)


def test_images_links_and_uploads_come_in_their_order():
    request = read_http(sent([image("a"), ("url", "https://a.example/"), image("b")]), LIMITS)
    assert request.several
    assert request.sources == (Source(image=JPEG), Source(url="https://a.example/"), Source(image=JPEG))
    assert read_http(sent([("s3", "uploads/a")]), LIMITS).sources == (Source(key="uploads/a"),)


def test_a_file_that_nobody_chose_is_none():
    assert read_http(sent([image(), image("other", b"")]), LIMITS).sources == (Source(image=JPEG),)


@pytest.mark.parametrize(
    "fields",
    [[], [("top_k", "3")], [image()] * 4, [image(), ("x", "1")], [image(), ("top_k", "x")], [image(), ("raw", "x")]],
    ids=["nothing", "no image", "too many", "unknown field", "no number", "no flag"],
)
def test_a_form_that_says_something_else_is_a_bad_request(fields):
    with pytest.raises(Refusal) as refused:
        read_http(sent(fields), LIMITS)
    assert refused.value.status == 400


def test_an_image_in_a_form_has_the_limit_of_any_other():
    with pytest.raises(Refusal) as refused:
        read_http(sent([image(content=b"\xff" * 10_001)]), LIMITS)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        (b"", "multipart/form-data", "names no boundary"),
        (b"", "multipart/form-data; boundary=", "names no boundary"),
        (b"", f"multipart/form-data; boundary={'x' * 71}", "names no boundary"),
        (b"", KIND, "breaks off"),
        (b"--x\r\n\r\n", KIND, "breaks off"),
        (b"--x\r\nno headers\r\n--x--", KIND, "has no headers"),
        (b"--xA: 1\r\n\r\n\r\n--x--", KIND, "has no headers"),
        (b"--x\r\nA: " + b"1" * 5000 + b"\r\n\r\n\r\n--x--", KIND, "has no headers"),
        (b"--x\r\nA: 1\r\n\r\n\r\n--x--", KIND, "no plain name"),
        (b"--x\r\nContent-Disposition: form-data; filename=a\r\n\r\n\r\n--x--", KIND, "no plain name"),
        (b'--x\r\nContent-Disposition: attachment; name="a"\r\n\r\n\r\n--x--', KIND, "no plain name"),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--x--',
            KIND,
            "is encoded",
        ),
        (b"--x\r\n" * (MAX_PARTS + 2) + b"--x--", KIND, "more than 64 parts"),
    ],
)
def test_what_is_no_whole_form_is_told_why(body, kind, what):
    with pytest.raises(Refusal, match=what) as refused:
        read_form(body, kind)
    assert refused.value.status == 400


def test_what_stands_before_and_after_a_form_is_ignored():
    part = b'Content-Disposition: form-data; name="a"\r\n\r\nb'
    assert read_form(b"hello\r\n--x  \r\n" + part + b"\r\n--x--\r\nbye", KIND) == [Part("a", False, b"b")]


@settings(max_examples=100, deadline=None)
@given(contents=st.lists(st.binary(max_size=60) | st.sampled_from([b"\r\n", b"--", b"\r\n\r\n--"]), max_size=4))
def test_every_part_comes_back_byte_for_byte(contents):
    fields = [("image", ("a.jpg", content, "image/jpeg")) for content in contents]
    body, kind = urllib3.encode_multipart_formdata(fields)
    assert [part.content for part in read_form(body, kind)] == contents


@settings(max_examples=200, deadline=None)
@given(
    body=st.lists(st.sampled_from([b"--x", b"\r\n", b"--", b":", b'form-data; name="a"', b"A"]), max_size=20).map(
        b"".join
    )
)
def test_any_bytes_are_a_form_or_a_bad_request(body):
    try:
        assert isinstance(read_form(body, KIND), list)
    except Refusal as refusal:
        assert refusal.status == 400
