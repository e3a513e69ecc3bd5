"""Which data sets lie in a bucket, how complete each is, and what came of it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ops.data.dataset import MANIFEST, SPLITS
from ops.data.names import PREFIX
from ops.data.shelf import Shelf
from ops.training_run import Run, Runs

# As lambda_src/intake/service.py shortens it for a run's name; a test holds the two together.
TOKEN_SHOWN = 8
UNSPLIT = "unsplit"


@dataclass
class Found:
    """One data set as it lies there."""

    name: str
    pictures: int = 0
    size: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    labels: set[str] = field(default_factory=set)
    changed: datetime | None = None
    sealed: bool = False

    def add(self, below: str, size: int, since: datetime) -> None:
        self.changed = max(self.changed or since, since)
        if below == MANIFEST:
            self.sealed = True
            return
        parts = below.split("/")
        split = parts[0] if parts[0] in SPLITS else UNSPLIT
        self.splits[split] += 1
        self.labels.add(parts[-2] if len(parts) > 1 else "")
        self.pictures, self.size = self.pictures + 1, self.size + size


@dataclass(frozen=True)
class Listed:
    name: str
    pictures: int
    bytes: int
    splits: dict[str, int]
    classes: int
    sha256: str | None
    """As its manifest says."""
    state: str
    complete: bool
    changed: str
    run: str | None
    run_status: str | None
    model_version: str | None


def sets_in(s3: Any, bucket: str) -> list[Found]:  # noqa: ANN401 - boto3 makes its clients at run time
    found: dict[str, Found] = {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/")
    for one in (one for page in pages for one in page.get("Contents", [])):
        name, _, below = one["Key"].removeprefix(f"{PREFIX}/").partition("/")
        if below:
            found.setdefault(name, Found(name)).add(below, one["Size"], one["LastModified"])
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Outcomes:
    """Runs of a pipeline by what intake called them: NAME-TOKEN, after the manifest that started them."""

    runs: Runs
    known: list[Run]

    @classmethod
    def of(cls, runs: Runs) -> "Outcomes":
        return cls(runs, runs.all())

    def youngest(self, called: str) -> Run | None:
        return next((one for one in self.known if one.name == called), None)

    def version(self, run: Run) -> str | None:
        """Of the model that the run has registered."""
        packages = (step.package for step in self.runs.every_step(run.arn) if step.package)
        return next((package.rsplit("/", 1)[-1] for package in packages), None)


def listed(s3: Any, bucket: str, outcomes: Outcomes | None) -> list[Listed]:  # noqa: ANN401
    return [_listed(s3, bucket, found, outcomes) for found in sets_in(s3, bucket)]


def _listed(s3: Any, bucket: str, found: Found, outcomes: Outcomes | None) -> Listed:  # noqa: ANN401
    shelf = Shelf(s3, bucket, f"{PREFIX}/{found.name}")
    manifest = shelf.manifest() if found.sealed else None
    said = _said(manifest)
    sha256 = said.get("sha256")
    state = _state(found, said)
    run = version = None
    if manifest is not None and outcomes:
        run = outcomes.youngest(run_name(bucket, shelf.key(MANIFEST), found.name, manifest))
        version = outcomes.version(run) if run and run.status == "Succeeded" else None
    return Listed(
        name=found.name,
        pictures=found.pictures,
        bytes=found.size,
        splits=dict(_ordered(found.splits)),
        classes=len(found.labels),
        sha256=sha256 if isinstance(sha256, str) else None,
        state=state,
        complete=state == "complete",
        changed=found.changed.isoformat(timespec="seconds") if found.changed else "",
        run=run.arn if run else None,
        run_status=run.status if run else None,
        model_version=version,
    )


def run_name(bucket: str, key: str, name: str, manifest: bytes) -> str:
    """What intake calls the run that this manifest starts."""
    token = hashlib.sha256(b"\n".join((bucket.encode(), key.encode(), manifest))).hexdigest()
    return f"{name}-{token[:TOKEN_SHOWN]}"


def _said(manifest: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(manifest or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _state(found: Found, said: dict[str, Any]) -> str:
    if not found.sealed:
        return "unfinished"
    promised = said.get("pictures")
    if not isinstance(promised, int):
        return "bad manifest"
    if found.pictures < promised:
        return f"{promised - found.pictures} missing"
    return "complete" if found.pictures == promised else f"{found.pictures - promised} too many"


def _ordered(splits: Counter[str]) -> Iterable[tuple[str, int]]:
    return ((name, splits[name]) for name in (*SPLITS, UNSPLIT) if splits[name])
