"""A training job's checkpoints: brought to every instance at its start, and to S3 while it runs."""

from dataclasses import dataclass, field
from pathlib import Path

from local.records import Document
from local.sagemaker.host import Host
from local.sagemaker.store import Store

DEFAULT_PATH = "/opt/ml/checkpoints"


@dataclass
class Checkpoints:
    """Files that have not changed since they were sent are not sent again."""

    config: Document
    store: Store
    _sent: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def bring(self, hosts: list[Host]) -> None:
        for host in hosts:
            folder = self._folder(host)
            self.store.fetch(self._uri, folder)
            self._sent |= {path: _state(path) for path in _files(folder)}

    def send(self, hosts: list[Host]) -> None:
        for host in hosts:
            folder, changed = self._folder(host), {}
            for path in _files(folder):
                state = _state(path)
                if self._sent.get(path) != state:
                    changed[path] = state
            self.store.send(folder, self._uri, changed)
            self._sent |= changed

    def _folder(self, host: Host) -> Path:
        return host.path(self.config.get("LocalPath", DEFAULT_PATH))

    @property
    def _uri(self) -> str:
        # With a slash: "run/1" must not bring what is below "run/10".
        return str(self.config["S3Uri"]).rstrip("/") + "/"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
