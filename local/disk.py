"""A disk that is nearly full: S3 takes nothing more. MiniStack would answer 200, and lose the object at its end."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from local import joints
from local.json_service import HttpAnswer

# Room for what is not an object: the state of every service, logs, what is being unpacked.
KEPT_FREE_BYTES = 50 * 2**20
WRITES = ("PUT", "POST")


@dataclass(frozen=True)
class Disk:
    folder: Path

    def install(self) -> None:
        joints.wrap_handler("s3", self.handle)

    async def handle(  # noqa: PLR0917 - the gateway's contract for a handler
        self,
        original: Callable[..., Awaitable[HttpAnswer]],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> HttpAnswer:
        # Deleting several objects is a POST, and makes room.
        if method in WRITES and "delete" not in query and not self._has_room(len(body)):
            return self._full()
        return await original(method, path, headers, body, query)

    def _has_room(self, size: int) -> bool:
        return shutil.disk_usage(self.folder).free - size >= KEPT_FREE_BYTES

    def _full(self) -> HttpAnswer:
        free = shutil.disk_usage(self.folder).free // 2**20
        said = (
            f"The disk of {self.folder} has {free} MiB free, of which S3 leaves {KEPT_FREE_BYTES // 2**20} alone: make "
            "room, then try again."
        )
        text = f"<Error><Code>ServiceUnavailable</Code><Message>{escape(said)}</Message></Error>"
        return 503, {"Content-Type": "application/xml"}, text.encode()
