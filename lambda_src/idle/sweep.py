"""Decides what is idle, what is told of it and what is stopped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .account import Account
from .settings import Settings

DAY = timedelta(days=1)


@dataclass
class Outcome:
    """What one sweep found: sentences to tell, what was stopped, and what could not be looked at."""

    news: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Sweep:
    """Each kind of resource is looked at by itself: that one cannot be read must not keep another one running."""

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings = settings
        self._account = account

    def run(self, now: datetime) -> Outcome:
        outcome = Outcome()
        looks: dict[str, Callable[[datetime, Outcome], Iterator[str]]] = {
            "the box": self._boxes,
            "the notebook": self._notebooks,
            "the endpoint": self._endpoint,
            "volumes": self._volumes,
        }
        for what, look in looks.items():
            try:
                outcome.news += look(now, outcome)
            except Exception as error:
                outcome.faults.append(f"{what}: {type(error).__name__}: {error}")
        return outcome

    def _boxes(self, now: datetime, outcome: Outcome) -> Iterator[str]:
        for box in self._account.boxes():
            if not box.running:
                continue
            worked = self._account.last_work(box, self._settings.box_cpu_percent, now)
            idle = now - worked if worked is not None else timedelta(0)
            if idle < self._settings.box_idle:
                continue
            said = f"The box {box.id} ({box.kind}) has done no work for {_long(idle)}"
            if self._settings.stops:
                self._account.stop_box(box)
                outcome.stopped.append(box.id)
                yield f"{said} and was stopped; its volumes and what is on them stay."
            elif self._told_now(idle, self._settings.box_idle):
                yield f"{said} and bills by the second. Stop it: aws ec2 stop-instances --instance-ids {box.id}"

    def _notebooks(self, now: datetime, outcome: Outcome) -> Iterator[str]:
        for notebook in self._account.notebooks():
            age = now - notebook.since
            if age < self._settings.notebook_limit:
                continue
            said = f"The notebook {notebook.name} ({notebook.kind}) was started {_long(age)} ago"
            if self._settings.stops:
                self._account.stop_notebook(notebook)
                outcome.stopped.append(notebook.name)
                yield f"{said} and was stopped; its files stay."
            elif self._told_now(age, self._settings.notebook_limit):
                yield (
                    f"{said} and bills by the second. Stop it: "
                    f"aws sagemaker stop-notebook-instance --notebook-instance-name {notebook.name}"
                )

    def _endpoint(self, now: datetime, outcome: Outcome) -> Iterator[str]:
        name, limit = self._settings.endpoint_name, self._settings.endpoint_idle
        made = self._account.endpoint_since(name) if name else None
        if made is None or now - made < limit or self._account.requests(name, now - limit, now) > 0:
            return
        # Since when it has been idle beyond the limit would cost a longer look; the age is as good for once a day.
        if self._told_now(now - made, limit):
            yield (
                f"The endpoint {name} has had no request for {_long(limit)} and bills for every instance. Take it away "
                "with its stack, or let it sleep as a serverless or asynchronous one (serving.mode)."
            )

    def _volumes(self, now: datetime, outcome: Outcome) -> Iterator[str]:
        since = {volume: box.since for box in self._account.boxes() if not box.running for volume in box.volumes}
        for volume in self._account.volumes(sorted(since)):
            stopped = since.get(volume.id, volume.created)
            if self._told_now(now - stopped, self._settings.stopped_limit):
                where = "of a box that has been stopped" if volume.attached else "that hangs on nothing, made"
                yield (
                    f"The volume {volume.id} ({volume.gib} GiB) {where} {_long(now - stopped)} ago still bills. "
                    "A box that is not needed any more goes with its stack, and its volumes with it."
                )

    def _told_now(self, idle: timedelta, limit: timedelta) -> bool:
        """At the first sweep past the limit and once a day from then on; the sweep itself remembers nothing."""
        over = idle - limit
        return over >= timedelta(0) and over % DAY < self._settings.every


def _long(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if span >= 2 * DAY:
        return f"{span.days} days"
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"  # noqa: PLR2004 - two hours
