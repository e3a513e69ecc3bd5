"""Base64 is read by OpenSSL where Python has it and by Python where not, with the same result."""

import base64
import binascii
import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_src.predict import encoded

BY_OPENSSL = encoded.by_openssl()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ODD = "=-_ \t\r\n\x00\x0b\x7f~é\u20ac"
whole = st.binary(max_size=60).map(lambda content: base64.b64encode(content).decode())
spoiled = st.tuples(whole, st.integers(0, 80), st.text(alphabet=ODD + "Az", max_size=4)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)
replaced = st.tuples(whole.filter(bool), st.integers(0, 79), st.sampled_from(ODD)).map(
    lambda parts: parts[0][: parts[1] % len(parts[0])] + parts[2] + parts[0][parts[1] % len(parts[0]) + 1 :]
)
texts = whole | spoiled | replaced | st.text(alphabet=ALPHABET[:6] + ODD, max_size=12)


def outcome(text: str, decoder: encoded.Decoder | None) -> bytes | None:
    assert decoder is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoded, "_decoder", lambda: decoder)
        try:
            return encoded.decode(text)
        except ValueError:
            return None


def strictly(text: str) -> bytes | None:
    """RFC 4648 to the letter, whose last character may have bits to spare."""
    form = r"(?:[A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    return base64.b64decode(text) if re.fullmatch(form, text) else None


@settings(max_examples=500, deadline=None)
@given(text=texts)
@example("")
@example("QUJD=")
@example("QUJD====")
@example("=UJD")
@example("=")
@example("====")
@example("QQ==")
@example("QR==")
@example("Q===")
@example("QQ==QQ==")
@example("QUI=QUI=")
@example(" QUJD")
@example("QUJD    ")
@example("QUJD----")
@example("QUJDQQ==\n")
@example("QU\nJD")
@example("Q~JD")
@example("    QUJD")
@example("QUJD    QUJD")
@example("QU\nJDQUJ")
@example("QUJD\x00\x00\x00\x00")
def test_both_decoders_take_base64_and_nothing_else(text: str) -> None:
    assert outcome(text, BY_OPENSSL) == outcome(text, encoded.by_python) == strictly(text)


def test_an_image_comes_out_as_it_went_in() -> None:
    content = bytes(range(256)) * 2_000
    assert encoded.decode(base64.b64encode(content).decode()) == content


@pytest.mark.parametrize("missing", ["ctypes", "_hashlib"])
def test_a_python_without_it_decodes_by_itself(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert encoded.by_openssl() is None


def test_a_python_that_has_openssl_built_in_decodes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # A library that has no such function.
    import _hashlib  # noqa: PLC0415

    monkeypatch.setattr(_hashlib, "__file__", binascii.__file__)
    assert encoded.by_openssl() is None
