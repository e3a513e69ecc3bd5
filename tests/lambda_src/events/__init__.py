"""Events in the shapes in which AWS documents and sends them, with names of ours."""

import json
from pathlib import Path
from typing import Any


def sample(name: str) -> Any:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())
