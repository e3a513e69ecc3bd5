"""Which resource types the embedded AWS provisions, and which properties of MiniStack's own types nothing reads.

Run in a process of its own, since an assembled embedded AWS changes MiniStack: `python -m tests.stacks.handled_types`
reads {type: [properties]} and writes {"types": [...], "unread": {type: [properties]}}, both as JSON.
"""

import inspect
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# As the server does before it imports MiniStack.
os.environ |= {"AUTH": "true", "STATE_DIR": tempfile.mkdtemp(), "S3_DATA_DIR": tempfile.mkdtemp()}

from ministack.services.cloudformation import provisioners

from local import joints_cloudformation
from local.assembly import Assembly
from local.home import Home
from local.server import Settings


def main() -> None:
    asked = json.load(sys.stdin)
    native = dict(provisioners._RESOURCE_HANDLERS)
    unread = {
        kind: [name for name in names if not reads(native[kind], name)]
        for kind, names in asked.items()
        if kind in native
    }
    json.dump(
        {"types": sorted({*native, *added()}), "unread": {kind: names for kind, names in unread.items() if names}},
        sys.stdout,
    )


def added() -> set[str]:
    """What `local` brings along."""
    home = Home(Path(tempfile.mkdtemp()))
    home.create()
    known: set[str] = set()
    joints_cloudformation.add_resource_types = known.update
    settings = Settings(home, 0, None, "000000000000", "us-east-1", 1.0, 1.0, None, 0)
    Assembly(settings, "https://localhost:1")._add_types()
    return known


def reads(handlers: dict[str, Any], name: str) -> bool:
    """Whether a property's name stands in what creates, changes or deletes the type, or in what that calls."""
    seen: set[Callable[..., Any]] = set()
    return any(
        f'"{name}"' in source or f"'{name}'" in source for one in handlers.values() for source in sources(one, seen)
    )


def sources(function: Any, seen: set[Callable[..., Any]]) -> list[str]:
    if not inspect.isfunction(function) or function in seen:
        return []
    seen.add(function)
    text, names = inspect.getsource(function), function.__globals__
    called = [names[word] for word in set(re.findall(r"\b[A-Za-z_]\w*\b", text)) if word in names]
    beside = [repr(one) for one in called if isinstance(one, dict | tuple | list | frozenset)]
    own = [one for one in called if getattr(one, "__module__", "") == function.__module__]
    return [text, *beside, *(source for one in own for source in sources(one, seen))]


if __name__ == "__main__":
    main()
