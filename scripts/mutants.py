"""Delete what protects a template, piece by piece, and see whether any test notices: `make mutants`.

Every IAM statement, every condition, every encryption and retention property of every stage is taken out once. A mutant
that no test of tests/stacks notices survives; each survivor is an omission of the tests or has a reason in REASONS.
"""

import argparse
import copy
import json
import multiprocessing
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import synth  # noqa: E402 - found through the line above

PROTECTS = re.compile(
    r"Encrypt|Kms|KMS|SSE|Sse|^(DeletionPolicy|UpdateReplacePolicy|Retention\w*|Lifecycle\w*|Versioning\w*|PublicAccessBlock\w*"
    r"|\w*Expiration\w*|HttpTokens|EnableNetworkIsolation|EnableLogFileValidation|LogRetention\w*)$"
)
PATTERNS = [PROTECTS]
TESTS: list["Test"] = []
# Where a mutant of these resources and properties survives, and why that is no omission.
REASONS: dict[str, str] = {}
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    stage: str
    room: str
    path: Path_

    def __str__(self) -> str:
        resource, *rest = [str(part) for part in self.path[1:]]
        return f"{self.room}/{re.sub(r'[0-9A-F]{8}$', '', resource)}/{'/'.join(rest)}"

    def templates(self) -> dict[str, Any]:
        """The stage's templates without the piece."""
        changed = {**synth.templates(self.stage)}
        changed[self.room] = place = copy.deepcopy(changed[self.room])
        for part in self.path[:-1]:
            place = place[part]
        del place[self.path[-1]]
        return changed


def mutants(stage: str) -> Iterator[Mutant]:
    for room, template in synth.templates(stage).items():
        for name, body in template["Resources"].items():
            for path in pieces(body, ("Resources", name)):
                yield Mutant(stage, room, path)


def pieces(value: Any, path: Path_) -> Iterator[Path_]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from pieces(inner, (*path, index))
    elif isinstance(value, dict):
        for key, inner in value.items():
            here = (*path, key)
            if key == "Statement":
                yield from ((*here, index) for index in range(len(inner)))
            if key == "Condition" and "Effect" in value:
                yield here
                yield from ((*here, operator, name) for operator, names in inner.items() for name in names)
            if any(pattern.search(key) for pattern in PATTERNS):
                yield here
            yield from pieces(inner, here)


@dataclass(frozen=True)
class Test:
    """A test that reads the templates of some stages and takes nothing but its parameters."""

    name: str
    function: Any
    parameters: dict[str, Any]
    stages: frozenset[str]

    def notices(self, mutant: Mutant) -> bool:
        whole = synth.templates
        changed = mutant.templates()
        synth.templates = lambda stage: changed if stage == mutant.stage else whole(stage)
        try:
            self.function(**self.parameters)
        except Exception:
            return True
        finally:
            synth.templates = whole
        return False


class Collected:
    def __init__(self) -> None:
        self.items: list[Any] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def tests() -> list[Test]:
    collected = Collected()
    with redirect_stdout(sys.stderr):
        options = [
            "-o",
            "addopts=",
            "--import-mode=importlib",
            "--collect-only",
            "--assert=plain",
            "-qqq",
            "-m",
            "not slow",
        ]
        status = pytest.main([*options, str(ROOT / "tests" / "stacks")], plugins=[collected])
    if status:
        sys.exit("mutants: the tests cannot be collected")
    found = []
    for item in collected.items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if any(item.session._fixturemanager.getfixturedefs(name, item) for name in parameters):
            continue  # a parameter of a fixture, not of the test
        if set(item.fixturenames) - {"request"} <= set(parameters):
            read = stages_read(item.obj, parameters)
            if read:
                found.append(Test(item.nodeid, item.obj, parameters, read))
    return found


def stages_read(function: Any, parameters: dict[str, Any]) -> frozenset[str]:  # noqa: ANN401 - a test
    """The stages whose templates a test reads; it must hold as things are."""
    whole, read = synth.templates, set()

    def recording(stage: str) -> Any:  # noqa: ANN401 - JSON
        read.add(stage)
        return whole(stage)

    synth.templates = recording
    try:
        function(**parameters)
    finally:
        synth.templates = whole
    return frozenset(read)


def survives(mutant: Mutant) -> bool:
    return not any(test.notices(mutant) for test in TESTS if mutant.stage in test.stages)


def reason(mutant: Mutant) -> str | None:
    return next((why for pattern, why in REASONS.items() if re.fullmatch(pattern, str(mutant))), None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--also", type=re.compile, metavar="PATTERN", help="take out properties of this name too")
    also = parser.parse_args().also
    PATTERNS.extend([also] if also else [])
    TESTS.extend(tests())
    made = [mutant for stage in synth.STAGES for mutant in mutants(stage)]
    with multiprocessing.get_context("fork").Pool() as pool:
        alive = [mutant for mutant, lives in zip(made, pool.map(survives, made, chunksize=8), strict=True) if lives]
    unreasoned = [mutant for mutant in alive if reason(mutant) is None]
    used = {pattern for pattern in REASONS if any(re.fullmatch(pattern, str(mutant)) for mutant in alive)}
    report = {
        "mutants": len(made),
        "tests": len(TESTS),
        "survivors_with_reason": {f"{one.stage}: {one}": reason(one) for one in alive if reason(one)},
        "survivors": [f"{one.stage}: {one}" for one in unreasoned],
        "reasons_without_survivor": sorted(set(REASONS) - used),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if unreasoned or report["reasons_without_survivor"] else 0


if __name__ == "__main__":
    sys.exit(main())
