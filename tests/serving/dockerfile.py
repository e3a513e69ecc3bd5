"""Just enough of a Dockerfile's grammar to carry out its steps in a root of one's own."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.serving.processes import ROOT

SERVING = ROOT / "serving"
# What a step may be; anything else is named instead of left out.
DESCRIBING = {"LABEL", "EXPOSE", "FROM"}


@dataclass
class Image:
    """What the steps leave behind beside files."""

    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, comments gone and lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def stage(text: str, name: str) -> list[tuple[str, str]]:
    """The instructions of one build stage."""
    found: list[tuple[str, str]] = []
    current = ""
    for word, rest in instructions(text):
        if word == "FROM":
            current = rest.split(" AS ")[1]
        if current == name:
            found.append((word, rest))
    return found


def build(steps: list[tuple[str, str]], context: Path, root: Path, run: Callable[[str, dict[str, str]], None]) -> Image:
    """Carry out each step; `run` executes a shell line within the root."""
    image = Image(environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    for word, rest in steps:
        if word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY":
            *sources, target = rest.split()
            assert not [source for source in sources if source.startswith("--")], f"COPY with options: {rest}"
            copy(context, sources, root / target.lstrip("/"), is_folder=target.endswith("/"))
        elif word == "RUN":
            run(rest, image.environment)
        elif word == "CMD":
            image.command = json.loads(rest)
        else:
            assert word in DESCRIBING, f"a step that is not known here: {word} {rest}"
    return image


def copy(context: Path, sources: list[str], target: Path, *, is_folder: bool) -> None:
    for source in sources:
        for file in sorted(context.glob(source)):
            place = target / file.name if is_folder else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
