"""`doctor`: every look in order; one that AWS does not answer leaves the others their say."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from config.load import load_stage
from ops.console import answer
from ops.errors import NotReached, Refused
from ops.stage import Stage
from ops.watch.doctor.finding import Finding, note, unanswered
from ops.watch.doctor.ground import bootstrap, caller, github, service_roles, zones
from ops.watch.doctor.places import ami, images, listeners, objects
from ops.watch.doctor.quotas import concurrency, quotas
from ops.watch.doctor.tools import tools
from ops.watch.reading import Unknown, asked

# What a look is about, for when AWS does not answer it.
LOOKS: dict[str, Callable[[Stage], Iterator[Finding]]] = {
    "tools": tools,
    "credentials": caller,
    "bootstrap": bootstrap,
    "service-linked roles": service_roles,
    "zones": zones,
    "quotas": quotas,
    "concurrency": concurrency,
    "images": images,
    "model and weights": objects,
    "AMI": ami,
    "GitHub": github,
    "emails": listeners,
}
MARKS = {"well": ("well", "green"), "note": ("note", "yellow"), "fault": ("FAULT", "red"), "unknown": ("unknown", "")}


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    found = [*_warnings(stage), *examined(stage)]
    faults = [one for one in found if one.state == "fault"]
    unseen = any(one.withheld for one in found)
    ready = not faults and not unseen
    document = {"stage": stage.name, "ready": ready, "findings": [asdict(one) for one in found]}
    answer(arguments, document, lambda console: show(stage, found, console))
    return Refused.status if faults else NotReached.status if unseen else 0


def examined(stage: Stage) -> list[Finding]:
    found: list[Finding] = []
    for what, look in LOOKS.items():
        seen = asked(lambda look=look: list(look(stage)))  # type: ignore[misc]
        found += [unanswered(what, seen)] if isinstance(seen, Unknown) else seen
    return found


def _warnings(stage: Stage) -> list[Finding]:
    _, warnings = load_stage(stage.name, stage.folder)
    return [note("stage file", warning) for warning in warnings]


def show(stage: Stage, found: list[Finding], console: Console) -> None:
    console.print(f"Is account {stage.account.number}, {stage.account.region}, ready for stage {stage.name}?")
    for one in found:
        word, colour = MARKS[one.state]
        console.print(Text.assemble("  ", (f"{word:<7}", colour), f" {one.what}: {one.said}"))
        if one.remedy and one.state != "well":
            console.print(f"            {one.remedy}", markup=False)
    counts = {state: sum(one.state == state for one in found) for state in MARKS}
    console.print(
        f"{verdict(found)}: {counts['fault']} faults, {counts['unknown']} unknown, {counts['note']} notes, "
        f"{counts['well']} well."
    )


def verdict(found: list[Finding]) -> str:
    if any(one.state == "fault" for one in found):
        return "Not yet"
    if any(one.withheld for one in found):
        return "Not known, since AWS withheld part of it"
    return "Ready, as far as was seen" if any(one.state == "unknown" for one in found) else "Ready"
