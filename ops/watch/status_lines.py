"""A stage's state as lines for a person."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from rich.console import Console

from ops.watch.endpoint import Endpoint, Fleet
from ops.watch.reading import Unknown
from ops.watch.spending import Spending
from ops.watch.state import Alarm, Run, Status
from ops.watch.traffic import Traffic


def show(found: Status, console: Console) -> None:
    console.print(f"Stage {found.stage}, account {found.account}, {found.region}")
    lines: list[tuple[str, object, Callable[[Any], list[str]]]] = [
        ("stacks", found.stacks, _stack_lines),
        ("endpoint", found.endpoint, _endpoint_lines),
        ("last hour", found.traffic, _traffic_lines),
        ("waiting", found.waiting, _waiting_lines),
        ("alarms", found.alarms, _alarm_lines),
        ("pipeline", found.last_run, _run_lines),
        ("jobs", found.working, lambda names: names or ["none of yours run"]),
        ("this month", found.spending, _spending_lines),
    ]
    for title, part, told in lines:
        if isinstance(part, Unknown):
            said = [f"not known: {part.reason}"]
        elif part is None:
            said = [ABSENT[title]]
        else:
            said = told(part)
        for number, line in enumerate(said):
            console.print(f"  {title if number == 0 else '':<11} {line}", markup=False)
    if found.ills:
        console.print("What is wrong")
    for ill in found.ills:
        console.print(f"  - {ill}", markup=False)


ABSENT = {
    "endpoint": "none: its stack is not deployed",
    "last hour": "nothing to ask",
    "pipeline": "has not run yet",
    "this month": "no budget to hold it against; operations.monthly_budget_usd sets one, free of charge",
}


def _stack_lines(stacks: dict[str, str]) -> list[str]:
    rooms: dict[str, list[str]] = {}
    for name, status in stacks.items():
        rooms.setdefault(status, []).append(name.rsplit("-", 1)[-1])
    return [f"{status}: {', '.join(names)}" for status, names in rooms.items()]


def _endpoint_lines(endpoint: Endpoint) -> list[str]:
    first = f"{endpoint.name} {endpoint.status}, model version {endpoint.version}"
    whole = sum(fleet.weight for fleet in endpoint.fleets) or 1
    return [first, *(_fleet_line(fleet, whole, alone=len(endpoint.fleets) == 1) for fleet in endpoint.fleets)]


def _fleet_line(fleet: Fleet, whole: float, *, alone: bool) -> str:
    share = "" if alone else f", {100 * fleet.weight / whole:.0f} % of the requests"
    if fleet.instance_type is None:
        return f"{fleet.variant}: serverless{share}"
    moves = f", scaling between {fleet.bounds[0]} and {fleet.bounds[1]}" if fleet.bounds else ", a fixed number"
    of = "" if fleet.current == fleet.desired else f" of {fleet.desired}"
    return f"{fleet.variant}: {fleet.current}{of} x {fleet.instance_type}{moves}{share}"


def _traffic_lines(traffic: Traffic) -> list[str]:
    if traffic.mean_ms is None:
        return [f"{traffic.requests} requests"]
    return [
        f"{traffic.requests} requests, {traffic.refused} refused (4xx), {traffic.failed} failed (5xx)",
        f"{traffic.mean_ms} ms in the model on average, {traffic.worst_p99_ms} ms the slowest hundredth at its worst",
    ]


def _waiting_lines(waiting: dict[str, int]) -> list[str]:
    return [", ".join(f"{count} {what}" for what, count in waiting.items()) or "nothing can wait in this stage"]


def _alarm_lines(alarms: list[Alarm]) -> list[str]:
    ringing = [alarm.name for alarm in alarms if alarm.state == "ALARM"]
    return [f"{len(ringing)} of {len(alarms)} ring", *ringing]


def _run_lines(run: Run) -> list[str]:
    return [f"{run.name} {run.status}, started {run.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC"]


def _spending_lines(spending: Spending) -> list[str]:
    forecast = "" if spending.forecast_usd is None else f", {spending.forecast_usd:.2f} by its end as AWS expects"
    return [f"{spending.spent_usd:.2f} of {spending.limit_usd:.2f} USD{forecast}"]
