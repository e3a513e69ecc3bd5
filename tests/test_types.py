"""What mypy reads: everything that something of ours is typed by, and little else."""

import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import aws_cdk

ROOT = Path(__file__).resolve().parent.parent
CDK = Path(aws_cdk.__file__).parent
# Where a module of the CDK names another one by whose types it is typed.
TYPED_BY = re.compile(r"^    import (aws_cdk(?:\.\w+)+) as _", re.MULTILINE)
IMPORTED = re.compile(
    r"^(?:from aws_cdk import (aws_\w+)|from (aws_cdk\.\w+) import|import (aws_cdk\.\w+))", re.MULTILINE
)


def imported() -> set[str]:
    """The CDK's modules that the sources name."""
    sources = [ROOT / "app.py", *(path for room in ("stacks", "bench") for path in (ROOT / room).rglob("*.py"))]
    found = {name for path in sources for names in IMPORTED.findall(path.read_text()) for name in names if name}
    return {name if name.startswith("aws_cdk.") else f"aws_cdk.{name}" for name in found}


def typed_by(module: str) -> set[str]:
    place = CDK.joinpath(*module.split(".")[1:])
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return set(TYPED_BY.findall(source.read_text()))


def test_mypy_follows_whatever_of_the_cdk_our_types_come_from():
    """A module that is passed over makes its types `Any`, which says yes to everything."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    (followed,) = [one["module"] for one in overrides if one.get("follow_imports") == "normal"]
    ahead, seen = imported() | {"aws_cdk"}, set()
    while ahead:
        module = ahead.pop()
        seen.add(module)
        ahead |= typed_by(module) - seen
    assert len(seen) > len(imported()) > 20
    assert [name for name in sorted(seen) if not any(fnmatchcase(name, pattern) for pattern in followed)] == []
