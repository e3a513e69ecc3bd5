"""Run the app.py of the present folder and write down where its time went: `python -m bench.probe` with
BENCH_STARTED (monotonic seconds at which the process was started) and BENCH_PHASES (the file to write).

Each moment belongs to one phase, the innermost one that is open.
"""

import json
import os
import runpy
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path.cwd()
CDK_CORE = ("aws_cdk", "constructs")
CONFIG = ("config", "pydantic", "pydantic_core", "annotated_types")
OWN, CONSTRUCTING, SYNTH = "import its own modules", "construct", "synth"


class Phases:
    def __init__(self, started: float) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.crossings: Counter[str] = Counter()
        self.open = ["Python starts"]
        self.since = started

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._turn()
        self.open.append(name)
        try:
            yield
        finally:
            self._turn()
            self.open.pop()

    def _turn(self) -> None:
        now = time.monotonic()
        self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: object, **keywords: object) -> object:
            with self.phase(name):
                return function(*arguments, **keywords)

        return inner


def import_phase(module: ModuleType) -> str | None:
    """Which phase the execution of a module is; None for one that belongs to whoever imports it."""
    first, *rest = module.__name__.split(".")
    if first in CDK_CORE and rest and rest[0].startswith("aws_") and not rest[0].endswith("_v1"):
        return f"import {first}.{rest[0]}"
    if first in CDK_CORE:
        return "import aws_cdk"
    if first in CONFIG:
        return "import config"
    if first == "jsii":
        return "import jsii"
    path = Path(module.__file__ or "/")
    return OWN if path.is_relative_to(HERE) and not path.is_relative_to(sys.prefix) else None


def watch_imports(phases: Phases) -> None:
    execute = SourceFileLoader.exec_module

    def timed(loader: SourceFileLoader, module: ModuleType) -> None:
        name = import_phase(module)
        if name is None:
            execute(loader, module)
        else:
            with phases.phase(name):
                execute(loader, module)
        if module.__name__ == "stacks.whippet":
            vars(module)["load_stage"] = phases.timed("read the stage file", vars(module)["load_stage"])

    SourceFileLoader.exec_module = timed  # type: ignore[method-assign,assignment]


def watch_kernel(phases: Phases) -> None:
    from jsii._kernel.providers.process import ProcessProvider, _NodeProcess  # noqa: PLC0415  (timed as an import)

    process: Any = _NodeProcess
    send = process.send

    def counted(node: object, request: object, response_type: object) -> object:
        kind = type(request).__name__.removesuffix("Request").lower()
        phases.crossings[kind] += 1
        with phases.phase(SYNTH if getattr(request, "method", None) == "synth" else phases.open[-1]):
            return send(node, request, response_type)

    process.start = phases.timed("start Node", process.start)
    process.send = counted
    provider: Any = ProcessProvider
    provider.load = phases.timed("load CDK into Node", provider.load)


def main() -> None:
    phases = Phases(float(os.environ["BENCH_STARTED"]))
    watch_imports(phases)
    with phases.phase("import jsii"):
        watch_kernel(phases)
    sys.path.insert(0, str(HERE))
    with phases.phase(CONSTRUCTING):
        runpy.run_path("app.py", run_name="__main__")
    phases.open = ["end"]
    report = {"seconds": phases.seconds, "crossings": phases.crossings, "ended": time.monotonic()}
    Path(os.environ["BENCH_PHASES"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
