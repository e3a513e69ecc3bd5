"""A data set's manifest, the last object of a push: what says that the set is there, whole (docs/dataset.md)."""

import json
import re
from dataclasses import dataclass

from .refusal import Refusal

FORMAT = 1
LARGEST_BYTES = 65_536
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    pictures: int
    sha256: str
    """Over every file's path and content."""


def read_manifest(content: bytes, key: str) -> Manifest:
    if len(content) > LARGEST_BYTES:
        raise Refusal(
            f"{key} is larger than {LARGEST_BYTES} bytes; a manifest counts the pictures and does not list them."
        )
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{key} is not valid JSON ({type(error).__name__}); push the data set again.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise Refusal(
            f"{key}: format is {found!r}, known is {FORMAT}; push the data set with the tools of this version."
        )
    pictures, sha256 = document.get("pictures"), document.get("sha256")
    if not isinstance(pictures, int) or isinstance(pictures, bool) or pictures < 1:
        raise Refusal(f"{key}: pictures is {str(pictures)[:40]!r}, it must be a whole number above 0.")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise Refusal(f"{key}: sha256 is {str(sha256)[:80]!r}, it must be 64 hexadecimal digits.")
    return Manifest(pictures, sha256)
