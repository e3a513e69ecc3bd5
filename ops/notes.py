"""What must be known after the stack that told it is gone: on disk, where no interruption loses it."""

import json
from dataclasses import asdict
from pathlib import Path

from ops.deployment import Resource


class Notes:
    """Logs that services made and are still to go, and what outlives its stack."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_text()) if path.exists() else {}
        self.log_groups: list[str] = found.get("log_groups", [])
        self.kept: list[Resource] = [Resource(**one) for one in found.get("kept", [])]

    def remember_log(self, name: str) -> None:
        if name not in self.log_groups:
            self.log_groups.append(name)
            self._save()

    def forget_log(self, name: str) -> None:
        self.log_groups.remove(name)
        self._save()

    def remember(self, resource: Resource) -> None:
        if resource not in self.kept:
            self.kept.append(resource)
            self._save()

    def forget(self, resource: Resource) -> None:
        self.kept.remove(resource)
        self._save()

    def _save(self) -> None:
        if not self.log_groups and not self.kept:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        staging = self._path.with_suffix(".new")
        staging.write_text(json.dumps({"log_groups": self.log_groups, "kept": [asdict(one) for one in self.kept]}))
        staging.replace(self._path)
