"""How far a push or a download has come: a bar for a person at a terminal, a line now and then for a log."""

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as Bar,
)

from ops.console import Terminal

LINE_EVERY_SECONDS = 10.0


class Progress:
    """A context; `tell` may be called from any thread."""

    def __init__(self, title: str, *, total_bytes: int | None, files: int = 0, console: Console | None = None) -> None:
        self._title, self._total, self._files = title, total_bytes, files
        self._console = console or Terminal(stderr=True)
        self._lock = threading.Lock()
        self._done_files, self._done_bytes = 0, 0
        self._began = self._told = time.monotonic()
        columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
        self._bar = (
            Bar(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            if self._console.is_terminal
            else None
        )
        self._task = self._bar.add_task(title, total=total_bytes) if self._bar else None

    def tell(self, files: int, size: int) -> None:
        with self._lock:
            self._done_files += files
            self._done_bytes += size
            if self._bar is not None and self._task is not None:
                counted = f"{self._title}  {self._done_files} of {self._files}" if self._files else self._title
                self._bar.update(self._task, completed=self._done_bytes, description=counted)
            elif time.monotonic() - self._told >= LINE_EVERY_SECONDS:
                self._told = time.monotonic()
                self._console.print(self._line())

    @property
    def files(self) -> int:
        """How many are there so far."""
        return self._done_files

    def _line(self) -> str:
        counted = f"{self._done_files} of {self._files} files, " if self._files else ""
        of = f" of {decimal(self._total)}" if self._total else ""
        rate = self._done_bytes / max(time.monotonic() - self._began, 0.001)
        return f"{self._title}: {counted}{decimal(self._done_bytes)}{of}, {decimal(int(rate))}/s"

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
