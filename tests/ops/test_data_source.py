"""Zips and addresses: fetched further where it stopped, and nothing in them is believed."""

import errno
import http.server
import io
import os
import ssl
import stat
import threading
import zipfile

import pytest

from local.tls import Certificates
from ops.data import archive, download, source
from ops.data.archive import unpacked
from ops.errors import NotReached, OperatorError, Refused


def zipped(file, entries):
    with zipfile.ZipFile(file, "w") as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return file


@pytest.fixture(autouse=True)
def _downloads(monkeypatch, tmp_path):
    monkeypatch.setattr(source, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.01)


def test_the_courses_zip_is_unpacked_to_where_its_splits_are(tmp_path):
    names = [f"dogImages/{split}/001.Affenpinscher/1.jpg" for split in ("train", "valid", "test")]
    extra = ["__MACOSX/dogImages/._x", "dogImages/.DS_Store"]
    found = source.folder_of(str(zipped(tmp_path / "dogs.zip", dict.fromkeys([*names, *extra], b"x"))))
    assert found.name == "dogImages"
    assert sorted(path.name for path in found.iterdir()) == ["test", "train", "valid"]
    assert source.folder_of(str(tmp_path / "dogs.zip")) == found


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil.jpg", "would lie outside"),
        ("a/../../evil.jpg", "would lie outside"),
        ("/etc/evil.jpg", "would lie outside"),
        ("C:/evil.jpg", "would lie outside"),
        ("a\\..\\evil.jpg", "would lie outside"),
        (link("a/link.jpg"), "is a link"),
    ],
)
def test_a_zip_that_leads_outside_is_not_unpacked(tmp_path, name, said):
    place = zipped(tmp_path / "evil.zip", {"a/1.jpg": b"x", name: b"/etc/passwd"})
    with pytest.raises(Refused, match=said):
        unpacked(place, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_a_zip_that_names_its_own_folder_is_unpacked(tmp_path):
    """As bsdtar writes them."""
    place = zipped(tmp_path / "dogs.zip", {"./": b"", "./train/dog/1.jpg": b"x"})
    assert (unpacked(place, tmp_path / "out") / "train" / "dog" / "1.jpg").read_bytes() == b"x"


def spoilt_inside(file):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/1.jpg", os.urandom(1000) + bytes(1000))
    start = 30 + len("a/1.jpg")
    file.write_bytes(file.read_bytes()[:start] + b"\xff" * 50 + file.read_bytes()[start + 50 :])


def spoilt_name(file):
    zipped(file, {"a/é.jpg": b"x"})
    file.write_bytes(file.read_bytes().replace("é".encode(), b"\xff\xfe"))


@pytest.mark.parametrize("spoil", [spoilt_inside, spoilt_name])
def test_a_zip_that_is_damaged_is_a_sentence(tmp_path, spoil):
    spoil(tmp_path / "dogs.zip")
    with pytest.raises(OperatorError, match="is no sound zip"):
        unpacked(tmp_path / "dogs.zip", tmp_path / "out")


def test_a_zip_that_would_fill_the_disk_is_not_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/1.jpg", bytes(60_000_000))
    with pytest.raises(Refused, match="would grow from .* to 60,000,000 bytes: no pictures do"):
        unpacked(tmp_path / "bomb.zip", tmp_path / "out")
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OperatorError, match="needs 100 bytes, and .* has room for 10"):
        unpacked(zipped(tmp_path / "small.zip", {"a/1.jpg": bytes(100)}), tmp_path / "out")


def test_a_zip_that_lies_about_a_size_ends_there(tmp_path):
    place = zipped(tmp_path / "liar.zip", {"a/1.jpg": b"x" * 1000})
    content = place.read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    place.write_bytes(content)
    with pytest.raises(OperatorError, match="is no sound zip"):
        unpacked(place, tmp_path / "out")


def flagged(content):
    """With the mark of an encrypted entry in the directory."""
    start = content.index(b"PK\x01\x02")
    return content[: start + 8] + b"\x01" + content[start + 9 :]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content[:200] + b"?" + content[201:], "is no sound zip: Bad CRC-32 for file 'a/1.jpg'"),
        (lambda content: content.replace(b"a/1.jpg", b"a/2.jpg"), "holds a/2.jpg twice"),
        (flagged, "has a password"),
    ],
)
def test_a_zip_that_is_not_sound_leaves_nothing_behind(tmp_path, spoil, said):
    place = zipped(tmp_path / "torn.zip", {"a/1.jpg": b"x" * 500, "a/2.jpg": b"y"})
    place.write_bytes(spoil(place.read_bytes()))
    with pytest.raises(OperatorError, match=said):
        unpacked(place, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_a_disk_that_is_full_while_unpacking_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive.shutil, "copyfileobj", full)
    with pytest.raises(OperatorError, match="cannot be unpacked into .*: No space left on device"):
        unpacked(zipped(tmp_path / "dogs.zip", {"a/1.jpg": b"x"}), tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


class Site(http.server.BaseHTTPRequestHandler):
    """Serves one file in ranges, and hangs up after `cuts` bytes of an answer while there are any."""

    content, tag, cuts, asked = b"", '"v1"', [], []

    def do_GET(self):
        self.asked.append(self.headers.get("Range"))
        if self.path != "/dogs.zip":
            self.send_response(302 if self.path.startswith("/to") else 404)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        begin = 0
        if self.headers.get("Range") and self.headers.get("If-Range") == self.tag:
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        self.send_header("ETag", self.tag)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        body = self.content[begin:]
        self.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    certificates = Certificates(tmp_path)
    certificates.ensure()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.bundle))
    content = io.BytesIO()
    zipped(content, {f"{label}/{number}.jpg": os.urandom(2000) for label in "ab" for number in range(50)})
    Site.content, Site.tag, Site.cuts, Site.asked = content.getvalue(), '"v1"', [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_that_is_cut_off_goes_on_where_it_was(site):
    Site.cuts = [70_000, 50_000]
    folder = source.folder_of(f"{site}/dogs.zip")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert Site.asked == [None, "bytes=70000-", "bytes=120000-"]
    assert source.folder_of(f"{site}/dogs.zip") == folder
    assert len(Site.asked) == 3


def test_a_download_of_a_file_that_has_changed_begins_anew(site, monkeypatch, tmp_path):
    Site.cuts = [70_000]
    monkeypatch.setattr(download, "TRIES", 1)
    monkeypatch.setattr(download, "_fetch_all", download._fetch)
    with pytest.raises(OperatorError, match="goes on where this stopped"):
        download.download(f"{site}/dogs.zip", tmp_path / "downloads")
    Site.tag = '"v2"'
    assert download.download(f"{site}/dogs.zip", tmp_path / "downloads").read_bytes() == Site.content


def test_a_site_that_sends_nothing_more_is_a_sentence(site):
    Site.cuts = [1000] + [0] * 20
    with pytest.raises(NotReached, match=r"dogs.zip ended after 1,000 bytes \(.*\). The same command goes on"):
        source.folder_of(f"{site}/dogs.zip")


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/nothing", NotReached, "cannot be fetched: 404 Not Found"),
        ("/to/http://example.com/x.zip", OperatorError, "leads to http://example.com/x.zip: .* over https only"),
        ("/to/file:///etc/passwd", NotReached, "Redirection to url 'file:///etc/passwd' is not allowed"),
    ],
)
def test_an_address_that_leads_nowhere_good_is_a_sentence(site, path, kind, said):
    with pytest.raises(kind, match=said):
        source.folder_of(f"{site}{path}")


def test_a_page_instead_of_a_zip_is_told_and_not_kept(site, tmp_path):
    Site.content = b"<!DOCTYPE html><p>Sign in"
    with pytest.raises(OperatorError, match="is no zip, it begins with b'<!DOCTYPE html"):
        source.folder_of(f"{site}/dogs.zip")
    assert not any((tmp_path / "downloads").iterdir())


def test_a_file_that_is_too_large_is_not_begun(site, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(OperatorError, match="more than 1,000 are not taken"):
        source.folder_of(f"{site}/dogs.zip")


def test_a_disk_that_is_full_while_fetching_is_a_sentence(site, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    begun = download.place_of(f"{site}/dogs.zip", folder).with_suffix(".part")
    begun.symlink_to("/dev/full")
    with pytest.raises(OperatorError, match="cannot be written .No space left on device."):
        source.folder_of(f"{site}/dogs.zip")
