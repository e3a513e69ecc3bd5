"""Addresses as they are shown."""

import pytest

from ops.addresses import without_secrets
from ops.asking.pictures import PictureError, found
from ops.data.download import download
from ops.data.names import name_of
from ops.errors import OperatorError

SIGNED = "https://me:secret@[::1]:1/a/b.zip?X-Amz-Signature=secret"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (SIGNED, "https://[::1]:1/a/b.zip?..."),
        ("https://example.com/a.jpg", "https://example.com/a.jpg"),
        ("https://example.com", "https://example.com"),
    ],
)
def test_what_opens_an_address_is_not_shown(address, shown):
    assert without_secrets(address) == shown


def test_no_sentence_about_an_address_tells_its_signature(tmp_path, monkeypatch):
    monkeypatch.setattr("ops.data.download.FIRST_WAIT_SECONDS", 0)
    (picture,) = found([SIGNED], None)
    ways = [
        lambda: download(SIGNED, tmp_path),
        lambda: download(SIGNED.replace("https", "http"), tmp_path),
        lambda: name_of("https://a:secret@b/?secret"),
        lambda: picture.read(None),
        lambda: found([SIGNED.replace("https", "http")], None),
    ]
    for way in ways:
        with pytest.raises((OperatorError, PictureError)) as raised:
            way()
        assert "secret" not in str(raised.value)
    assert "secret" not in picture.name
