"""`idle`: what of a stage bills and does nothing, what it costs an hour, and how to end that."""

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from rich.console import Console

from ops.console import answer
from ops.prices import HOURS_A_MONTH, dollars
from ops.stage import Stage
from ops.watch.idle_machines import boxes, interface_endpoints, volumes
from ops.watch.idle_services import endpoint, notebooks, warm_functions
from ops.watch.idlers import Ground, Idler
from ops.watch.reading import Unknown, asked

# What is looked at, so that one that AWS withholds is named.
LOOKS: dict[str, Callable[[Ground], Iterator[Idler]]] = {
    "boxes": boxes,
    "notebooks": notebooks,
    "endpoint": endpoint,
    "volumes": volumes,
    "warm functions": warm_functions,
    "interface endpoints": interface_endpoints,
}


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    found: list[Idler] = []
    unseen: list[str] = []
    ground = Ground(stage, datetime.now(UTC))
    for what, look in LOOKS.items():
        seen = asked(lambda look=look: list(look(ground)))  # type: ignore[misc]
        if isinstance(seen, Unknown):
            unseen.append(f"{what}: {seen.reason}")
        else:
            found += seen
    stopped = list(_stopped(found)) if arguments.stop else []
    document = {
        "stage": stage.name,
        "idle": [idler.document() for idler in found],
        "usd_an_hour": sum(idler.usd_an_hour or 0 for idler in found),
        "unpriced": [idler.name for idler in found if idler.usd_an_hour is None],
        "stopped": stopped,
        "not_looked_at": unseen,
    }
    return answer(arguments, document, lambda console: show(found, stopped, unseen, console))


def _stopped(found: list[Idler]) -> Iterator[str]:
    for idler in found:
        if idler.stop is not None:
            idler.stop()
            yield idler.name


def show(found: list[Idler], stopped: list[str], unseen: list[str], console: Console) -> None:
    for idler in found:
        console.print(f"{dollars(idler.usd_an_hour, 4):>10} an hour  {idler.what} {idler.name}", markup=False)
        ending = "stopped now" if idler.name in stopped else f"ends with: {idler.remedy}"
        console.print(f"{'':>20}{idler.idle_for}; {ending}", markup=False)
    if found:
        known = sum(idler.usd_an_hour or 0 for idler in found)
        unpriced = sum(idler.usd_an_hour is None for idler in found)
        more = f", and {unpriced} unpriced" if unpriced else ""
        console.print(f"{known:.4f} USD an hour in all, {known * HOURS_A_MONTH:.2f} a month{more}.")
    else:
        console.print("Nothing bills for doing nothing.")
    for reason in unseen:
        console.print(f"Not looked at: {reason}", markup=False)
