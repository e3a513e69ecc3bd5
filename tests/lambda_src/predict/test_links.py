import pytest

from lambda_src.predict.links import Link, follow, parse_link
from lambda_src.predict.refusals import Refusal

REFUSED = [
    "",
    "example.com/dog.jpg",
    "//example.com/dog.jpg",
    "http://example.com/dog.jpg",
    "ftp://example.com/dog.jpg",
    "file:///proc/self/environ",
    "file://example.com/proc/self/environ",
    "gopher://example.com/",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "https:example.com",
    "https:/example.com",
    "https://",
    "https:///dog.jpg",
    "https://example.com:80/",
    "https://example.com:8443/",
    "https://example.com:99999/",
    "https://example.com:-443/",
    "https://example.com:abc/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://@example.com/",
    "https://example.com@169.254.169.254/",
    "https://169.254.169.254\\@example.com/",
    "https://example.com\\.evil.com/",
    "https://exam\tple.com/",
    "https://example.com/\r\nHost: evil",
    "https://example.com/a b",
    " https://example.com/",
    "https://example.com/\x00",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://0251.0376.0251.0376/",
    "https://1.1.1.1/",
    "https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
    "https://①⑥⑨。②⑤④。①⑥⑨。②⑤④/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fd00:ec2::254]/",
    "https://[::1",
    "https://localhost/",
    "https://localhost./",
    "https://metadata/",
    "https://example.com../",
    "https://.example.com/",
    "https://exa..mple.com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://example.c_m/",
    "https://exa%6dple.com/",
    "https://exa mple.com/",
    "https://straße.de/",
    "https://nul\u200d.com/",
    "https://example.com\uff0f@evil.com/",
    "https://\ud800.com/",
    "https://example.com/\ud800",
    "https://example.com/?\ud800",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 130}com/",
    f"https://example.com/{'a' * 4096}",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_out_of_the_ordinary_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_link(url)
    assert refused.value.code == "bad_url"


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://example.com", Link("example.com", "/")),
        ("https://example.com:443/dog.jpg?w=3#part", Link("example.com", "/dog.jpg?w=3")),
        ("HTTPS://Example.COM./Dog.JPG", Link("example.com", "/Dog.JPG")),
        ("https://my_bucket.s3.amazonaws.com/k", Link("my_bucket.s3.amazonaws.com", "/k")),
        ("https://bücher.example/ü?q=ä", Link("xn--bcher-kva.example", "/%C3%BC?q=%C3%A4")),
        ("https://example.com/a%20b%2Fc", Link("example.com", "/a%20b%2Fc")),
        ("https://example.com?x=1", Link("example.com", "/?x=1")),
    ],
)
def test_an_ordinary_url_becomes_host_and_target(url: str, link: Link) -> None:
    assert parse_link(url) == link


def test_the_sentence_for_a_refused_url_never_repeats_its_secrets() -> None:
    with pytest.raises(Refusal) as refused:
        parse_link("https://user:hunter2@example.com/?token=abc123")
    assert "hunter2" not in refused.value.message
    assert "abc123" not in refused.value.message


@pytest.mark.parametrize(
    ("location", "link"),
    [
        ("/other.jpg", Link("example.com", "/other.jpg")),
        ("other.jpg?x=1", Link("example.com", "/dogs/other.jpg?x=1")),
        ("//cdn.example.org/x", Link("cdn.example.org", "/x")),
        ("https://cdn.example.org/x y", Link("cdn.example.org", "/x%20y")),
        ("/\xc3\xbc.jpg", Link("example.com", "/%C3%BC.jpg")),
    ],
)
def test_a_redirect_is_read_relative_to_where_it_came_from(location: str, link: Link) -> None:
    assert follow(Link("example.com", "/dogs/first.jpg"), location) == link


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",
        "https://169.254.169.254/",
        "https://localhost/",
        "file:///etc/passwd",
        "https://[::1",
        "//@",
    ],
)
def test_a_redirect_is_held_to_the_same_rules(location: str) -> None:
    with pytest.raises(Refusal):
        follow(Link("example.com", "/"), location)
