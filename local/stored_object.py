"""One object of S3 as its files are, its bytes and beside them their description, and what is wrong with them."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]
DIGEST = "digest"
_SIDECAR = ".meta.json"
_PLAIN_ETAG = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Stored:
    """An object's or a version's file, and its description; None where that is lost."""

    name: str
    path: Path
    description: Record | None

    def fault(self, *, deep: bool) -> str | None:
        """What is wrong; whether its bytes are those that were put only where they are read, which takes its time."""
        try:
            return self.fault_of(self.path.read_bytes()) if deep else self._fault(self.path.stat().st_size)
        except FileNotFoundError:
            return "its bytes are lost"
        except OSError as error:
            return f"it cannot be read ({error.strerror})"

    def fault_of(self, body: bytes) -> str | None:
        return self._fault(len(body)) or self._fault_of_bytes(body)

    def _fault(self, size: int) -> str | None:
        if self.description is None:
            return "its description is lost"
        put = self.description.get("size", size)
        return f"it has {size} of the {put} bytes that were put" if size != put else None

    def _fault_of_bytes(self, body: bytes) -> str | None:
        found = self.description or {}
        expected = etag(found) if is_plain(found) else found.get(DIGEST)
        return "its bytes are not those that were put" if expected and md5(body) != expected else None


def described_at(path: Path) -> Path:
    return path.with_name(path.name + _SIDECAR)


def description(path: Path | None) -> Record | None:
    """None where it is lost, or cannot be read."""
    try:
        found = json.loads(described_at(path).read_text()) if path is not None else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and (found.get("etag") or found.get("is_delete_marker")) else None


def etag(record: Record) -> str:
    return str(record.get("etag", "")).strip('"')


def is_plain(record: Record) -> bool:
    """Whether its ETag is the MD5 of its bytes; that of one put in parts, or of its copy, is not."""
    return _PLAIN_ETAG.fullmatch(etag(record)) is not None


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
