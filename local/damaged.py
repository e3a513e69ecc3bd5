"""Which of S3's objects are damaged: found by the server, kept in a file, read by `start` and `status`."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from local.home import Home


@dataclass(frozen=True)
class Damage:
    """One damaged object, for people and programs."""

    object: str
    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.object} is damaged: {self.why} ({self.file}). Put it again, or delete it."


class DamagedObjects:
    """Those that the server knows of; the file is there while there are any."""

    def __init__(self, home: Home) -> None:
        self._file = home.damaged
        self._found: dict[str, Damage] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._found.clear()
            self._write()

    def add(self, damage: Damage) -> bool:
        """Whether it is news."""
        with self._lock:
            new = damage.file not in self._found
            self._found[damage.file] = damage
            if new:
                self._write()
        return new

    def remove(self, file: Path | None) -> None:
        """One that was put again, or is gone."""
        with self._lock:
            if self._found.pop(str(file), None) is not None:
                self._write()

    def _write(self) -> None:
        if self._found:
            self._file.write_text(json.dumps([asdict(one) for one in self._found.values()]))
        else:
            self._file.unlink(missing_ok=True)


def read(home: Home) -> list[Damage]:
    try:
        return [Damage(**one) for one in json.loads(home.damaged.read_text())]
    except (FileNotFoundError, ValueError):
        return []
