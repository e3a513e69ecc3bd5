"""A public file over https into a folder of ours. What an interruption left of it is kept, and the rest fetched."""

import hashlib
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ops.addresses import without_secrets
from ops.data.progress import Progress
from ops.errors import NotReached, OperatorError

MOST_BYTES = 200_000_000_000
BLOCK_BYTES = 256 * 1024
QUIET_SECONDS = 60
# In a row, without a single byte more.
TRIES = 5
FIRST_WAIT_SECONDS = 0.5
PARTIAL, OUT_OF_RANGE = 206, 416
GOES_ON = "The same command goes on where this stopped."


@dataclass(frozen=True)
class Begun:
    """What is there of a file."""

    file: Path
    tag: Path
    """By which the server knows that version of it."""

    @property
    def bytes(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def headers(self) -> dict[str, str]:
        """Asks for the rest, if the file is still the one that was begun."""
        tag = self.tag.read_text() if self.tag.exists() else ""
        return {"Range": f"bytes={self.bytes}-", "If-Range": tag} if tag and self.bytes else {}


def download(address: str, folder: Path) -> Path:
    """The file, fetched unless it was before."""
    if urlsplit(address).scheme != "https":
        raise OperatorError(f"{without_secrets(address)}: data sets are fetched over https only.")
    place = place_of(address, folder)
    if place.exists():
        return place
    begun = Begun(place.with_suffix(".part"), place.with_suffix(".tag"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_all(address, begun)
        begun.file.replace(place)
        begun.tag.unlink(missing_ok=True)
    except OSError as error:
        raise OperatorError(f"{error.filename or begun.file} cannot be written ({error.strerror}). {GOES_ON}") from None
    return place


def place_of(address: str, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.zip"


def _fetch_all(address: str, begun: Begun) -> None:
    failed = 0
    while failed < TRIES:
        before = begun.bytes
        try:
            _fetch(address, begun)
            return
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == OUT_OF_RANGE:
                begun.file.unlink(missing_ok=True)
            elif isinstance(error, urllib.error.HTTPError) and error.code < 500:  # noqa: PLR2004
                raise NotReached(
                    f"{without_secrets(address)} cannot be fetched: {error.code} {error.reason}."
                ) from None
            failed = 0 if begun.bytes > before else failed + 1
            why = getattr(error, "reason", None) or error
            time.sleep(FIRST_WAIT_SECONDS * 2**failed if failed < TRIES else 0)
    raise NotReached(f"{without_secrets(address)} ended after {begun.bytes:,} bytes ({why}). {GOES_ON}")


def _fetch(address: str, begun: Begun) -> None:
    request = urllib.request.Request(address, headers=begun.headers)  # noqa: S310 (https, seen to before)
    with _opener().open(request, timeout=QUIET_SECONDS) as answer:
        goes_on = answer.status == PARTIAL
        there = begun.bytes if goes_on else 0
        rest = int(answer.headers["Content-Length"]) if answer.headers["Content-Length"] else None
        _refuse_what_does_not_fit(address, there, rest, begun.file.parent)
        begun.tag.write_text(answer.headers["ETag"] or answer.headers["Last-Modified"] or "")
        whole = None if rest is None else there + rest
        with begun.file.open("ab" if goes_on else "wb") as out, Progress("fetch", total_bytes=whole) as progress:
            progress.tell(0, there)
            while block := answer.read(BLOCK_BYTES):
                out.write(block)
                there += len(block)
                if there > MOST_BYTES:
                    raise OperatorError(
                        f"{without_secrets(address)} does not end: more than {MOST_BYTES:,} bytes are not taken."
                    )
                progress.tell(0, len(block))
    if whole is not None and there < whole:
        raise ConnectionError("the connection was lost")


def _refuse_what_does_not_fit(address: str, there: int, rest: int | None, folder: Path) -> None:
    if rest is None:
        return
    if there + rest > MOST_BYTES:
        raise OperatorError(
            f"{without_secrets(address)} has {there + rest:,} bytes; more than {MOST_BYTES:,} are not taken."
        )
    free = shutil.disk_usage(folder).free
    if rest > free:
        raise OperatorError(
            f"{without_secrets(address)} needs {rest:,} bytes more, and {folder} has room for {free:,}."
        )


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_HttpsOnly)


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 (as the standard library calls it)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            begin, end = without_secrets(req.full_url), without_secrets(newurl)
            raise OperatorError(f"{begin} leads to {end}: data sets are fetched over https only.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
