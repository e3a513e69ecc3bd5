import base64
import hashlib
import re
from html.parser import HTMLParser

from lambda_src.predict.page import load_page

PAGE = load_page()
POLICY = dict(part.split(" ", 1) for part in PAGE["headers"]["content-security-policy"].split("; "))


class Elements(HTMLParser):
    """Gathers every start tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(PAGE["body"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_policy_allows_nothing_by_default_and_no_inline_code_but_its_own() -> None:
    assert POLICY["default-src"] == "'none'"
    assert "unsafe" not in PAGE["headers"]["content-security-policy"]
    script = re.search(r"<script>(.*?)</script>", PAGE["body"], re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert POLICY["script-src"] == f"'sha256-{digest}'"


def test_the_page_connects_to_its_own_origin_alone_and_cannot_be_framed() -> None:
    assert POLICY["connect-src"] == "'self'"
    assert POLICY["frame-ancestors"] == "'none'"
    assert PAGE["headers"]["referrer-policy"] == "no-referrer"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    loaded = [
        value for _, attributes in Elements().found for name, value in attributes.items() if name in ("src", "href")
    ]
    assert all(value is None or value.startswith("data:") for value in loaded)
    assert "@import" not in PAGE["body"]
    assert "url(" not in PAGE["body"].replace("URL(", "")


def test_no_element_carries_inline_code_or_style() -> None:
    names = {name for _, attributes in Elements().found for name in attributes}
    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}


def test_every_field_has_a_label() -> None:
    found = Elements().found
    labelled = {attributes["for"] for tag, attributes in found if tag == "label" and "for" in attributes}
    fields = [attributes.get("id") for tag, attributes in found if tag == "input"]
    assert fields == ["file", "url"]
    assert labelled == {"url"}
    assert re.search(r'<label class="drop">.*?id="file".*?</label>', PAGE["body"], re.DOTALL)


def test_results_and_troubles_are_announced() -> None:
    roles = {attributes.get("role") for _, attributes in Elements().found}
    assert {"alert", "status"} <= roles
