"""Images too large for a request: their sender puts them into the bucket, and then names them in a request.

All lie below uploads/, the only prefix that a request can name and, of the bucket, all that it can have read.
"""

import re
import secrets

from .images import IMAGE_TYPES
from .objects import Objects
from .refusals import Refusal

PREFIX = "uploads"
ID_BYTES = 24
# Plain segments alone: nothing that a proxy, or S3's canonical form, could take for another key.
KEY = re.compile(rf"{PREFIX}(/[A-Za-z0-9_-][A-Za-z0-9._-]{{0,99}}){{1,8}}")


class Uploads:
    def __init__(self, objects: Objects, *, max_bytes: int, expires_seconds: int) -> None:
        self._objects = objects
        self._max_bytes = max_bytes
        self._expires_seconds = expires_seconds

    def offer(self, content_type: str, length: int) -> dict[str, object]:
        """A place for one image of this very size and type; nobody can guess its key."""
        if content_type not in IMAGE_TYPES:
            raise Refusal(
                "unsupported_media_type", f'"content_type" must be one of {", ".join(IMAGE_TYPES)}; send such an image.'
            )
        if length > self._max_bytes:
            raise Refusal(
                "image_too_large",
                f"The image is larger than the {self._max_bytes:,} bytes that an upload may have; scale it down.",
            )
        key = f"{PREFIX}/{secrets.token_urlsafe(ID_BYTES)}"
        headers = {"content-length": str(length), "content-type": content_type}
        return {
            "key": key,
            "method": "PUT",
            "url": self._objects.promise(key, headers, self._expires_seconds),
            "headers": headers,
            "expires_in_seconds": self._expires_seconds,
        }

    def read(self, key: str) -> bytes:
        if not KEY.fullmatch(key):
            raise Refusal(
                "bad_request", f'"key" must name an object below {PREFIX}/, in letters, digits, ".", "_" and "-".'
            )
        image = self._objects.get(key, self._max_bytes)
        if image is None:
            raise Refusal("not_found", "There is no upload under this key, or no longer; upload the image first.")
        return image
