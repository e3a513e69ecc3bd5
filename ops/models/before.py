"""What a change of the stage file was made from: so an interrupted one goes on, and one that is done is known.

It says nothing where the file is not as that change wrote it: whatever a person has written since is theirs.
"""

import json
from pathlib import Path

from ops import cdk
from ops.stage import Stage
from ops.written import write

FOLDER = cdk.ROOT / ".whippet" / "resizing"


class Before:
    def __init__(self, stage: Stage) -> None:
        self._path: Path = FOLDER / f"{stage.account.number}-{stage.account.region}-{stage.name}.json"

    def of(self, text: str) -> str | None:
        """What stood in the file before a change made it `text`; None where nobody knows."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return str(kept["before"]) if kept["after"] == text else None

    def keep(self, before: str, after: str) -> None:
        """Before the file is written. A step that was begun again keeps what it was made from at first."""
        if before != after:
            write(self._path, json.dumps({"before": before, "after": after}))
