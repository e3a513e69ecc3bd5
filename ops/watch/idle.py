"""`idle`: what of a stage bills and does nothing, what it costs an hour, and how to end that."""

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from rich.console import Console

from ops.console import answer
from ops.errors import NotReached
from ops.prices import HOURS_A_MONTH, dollars
from ops.printable import tell
from ops.stage import Stage
from ops.watch.idle_machines import boxes, snapshots, volumes
from ops.watch.idle_network import addresses, interface_endpoints, nat_gateways
from ops.watch.idle_services import endpoint, notebook_volumes, notebooks, warm_functions
from ops.watch.idle_storage import images, left_behind, replaced_versions, unfinished_uploads
from ops.watch.idle_watching import endless_logs, silent_alarms
from ops.watch.idlers import Ground, Idler
from ops.watch.reading import Unknown, asked

# What is looked at, so that one that AWS withholds is named.
LOOKS: dict[str, Callable[[Ground], Iterator[Idler]]] = {
    "boxes": boxes,
    "notebooks": notebooks,
    "endpoint": endpoint,
    "warm functions": warm_functions,
    "volumes": volumes,
    "snapshots": snapshots,
    "notebooks' volumes": notebook_volumes,
    "NAT gateways": nat_gateways,
    "public addresses": addresses,
    "interface endpoints": interface_endpoints,
    "what stacks left behind": left_behind,
    "images": images,
    "unfinished uploads": unfinished_uploads,
    "replaced versions": replaced_versions,
    "logs": endless_logs,
    "alarms": silent_alarms,
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
    if len(unseen) == len(LOOKS):
        raise NotReached(f"Nothing could be looked at. {unseen[0]}")
    stopped, failed = _stopped(found) if arguments.stop else ([], {})
    document = {
        "stage": stage.name,
        "idle": [idler.document() for idler in found],
        "usd_an_hour": sum(idler.usd_an_hour or 0 for idler in found),
        "prices": stage.prices.source,
        "unpriced": [idler.name for idler in found if idler.usd_an_hour is None],
        "stopped": stopped,
        "not_stopped": failed,
        "not_looked_at": unseen,
    }
    answer(arguments, document, lambda console: show(found, stopped, unseen, console, stage.prices.source))
    for name, reason in failed.items():
        tell(f"{name} was not stopped: {reason}")
    return NotReached.status if failed or unseen else 0


def _stopped(found: list[Idler]) -> tuple[list[str], dict[str, str]]:
    """What was stopped, and what was not and why: one that AWS refuses leaves the others their turn."""
    stopped: list[str] = []
    failed: dict[str, str] = {}
    for idler in found:
        if idler.stop is not None:
            done = asked(idler.stop)
            if isinstance(done, Unknown):
                failed[idler.name] = done.reason
            else:
                stopped.append(idler.name)
    return stopped, failed


def show(found: list[Idler], stopped: list[str], unseen: list[str], console: Console, source: str) -> None:
    for idler in found:
        console.print(f"{_costs(idler):>15}  {idler.what}: {idler.name}", markup=False)
        console.print(f"{'':>17}{idler.idle_for} ({idler.sign})", markup=False)
        ending = "stopped now" if idler.name in stopped else f"ends with: {idler.remedy}"
        console.print(f"{'':>17}{ending}", markup=False)
    if found:
        known = sum(idler.usd_an_hour or 0 for idler in found)
        unpriced = sum(idler.usd_an_hour is None for idler in found)
        more = f", and {unpriced} unpriced" if unpriced else ""
        console.print(f"{known:.4f} USD an hour in all, {known * HOURS_A_MONTH:.2f} a month{more}.")
        console.print(source, markup=False)
    else:
        whole = "" if not unseen else " of what could be looked at"
        console.print(f"Nothing{whole} bills for doing nothing.")
    for reason in unseen:
        console.print(f"Not looked at: {reason}", markup=False)


def _costs(idler: Idler) -> str:
    price = dollars(idler.usd_an_hour, 4)
    return price if idler.usd_an_hour is None else f"{price} an hour"
