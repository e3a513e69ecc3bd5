"""Takes a multipart form apart (RFC 7578), as browsers and `curl -F` send it. Nothing in it is decoded or kept."""

import re
from dataclasses import dataclass

from .refusals import Refusal

MAX_PARTS = 64
MAX_HEADER_BYTES = 4_096
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([A-Za-z0-9'()+_,./:=?-]{1,70}))(?:\s*;|\s*$)""", re.IGNORECASE)
# Names with quotes or backslashes are none of ours, however they would have to be read.
_NAME = re.compile(r'(?:^|[;\s])name="([^"\\]{1,100})"', re.IGNORECASE)
_FILE = re.compile(r"(?:^|[;\s])filename\*?=", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    name: str
    is_file: bool
    content: bytes


def read_form(body: bytes, content_type: str) -> list[Part]:
    """The form's parts in their order; Refusal for anything that is not a whole form."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _bad("its content type names no boundary")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode()
    # What stands before the first delimiter and after the last is to be ignored.
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)[1:]
    if len(pieces) > MAX_PARTS + 1:
        raise _bad(f"it has more than {MAX_PARTS} parts")
    if not pieces or not pieces[-1].startswith(b"--"):
        raise _bad("it breaks off before its end")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> Part:
    # Blanks may follow a delimiter on its line.
    head, blank_line, content = piece.lstrip(b" \t").partition(b"\r\n\r\n")
    if not blank_line or not head.startswith(b"\r\n") or len(head) > MAX_HEADER_BYTES:
        raise _bad("one of its parts has no headers")
    headers = dict(_header(line) for line in head.decode("utf-8", "replace").split("\r\n")[1:])
    disposition = headers.get("content-disposition", "")
    name = _NAME.search(disposition)
    if not disposition.lower().startswith("form-data") or name is None:
        raise _bad('one of its parts has no plain name, as in Content-Disposition: form-data; name="image"')
    if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise _bad("one of its parts is encoded; send it as it is")
    is_file = bool(_FILE.search(disposition)) or headers.get("content-type", "").lower().startswith("image/")
    return Part(name[1], is_file, content)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _bad(what: str) -> Refusal:
    return Refusal("bad_request", f"The form cannot be read: {what}.")
