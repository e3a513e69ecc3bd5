"""How the number of the endpoint's instances follows its load."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import PartName, Section


class Schedule(Section):
    name: PartName
    """Tells this schedule from the others."""
    when: Annotated[str, Field(pattern=r"^(cron|rate|at)\(.+\)$", max_length=256)]
    """cron(minute hour day month weekday year), rate(5 minutes) or at(2027-01-31T07:00:00)."""
    time_zone: str = "Etc/UTC"
    """The zone that `when` is told in, as "Europe/Berlin"."""
    min_instances: Annotated[int, Field(ge=0, le=100)]
    """From then on never fewer instances."""
    max_instances: Annotated[int, Field(ge=1, le=100)]
    """From then on never more instances."""


class Scaling(Section):
    enabled: bool
    """Whether the endpoint's instance count follows its load."""
    paused: bool = False
    """Leaves the fleet as scaling left it, for a deploy in which AWS wants no scaling; see `ops resize`."""
    min_instances: Annotated[int, Field(ge=0, le=100)]
    """Never fewer instances than this; each is billed by the second. 0 in mode "async" only, which wakes by itself."""
    max_instances: Annotated[int, Field(ge=1, le=100)]
    """Never more instances than this: the ceiling of the bill."""
    metric: Literal["invocations", "concurrency"] = "invocations"
    """Requests a minute and instance, or requests at once, seen every 10 s; mode "async" holds its backlog instead."""
    target_invocations_per_minute: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Requests a minute and instance that scaling holds: what one instance can do a second x 60 x 0.5 to start."""
    target_concurrent_requests: Annotated[float, Field(gt=0, le=1_000)] | None = None
    """Requests at once on one instance that scaling holds, with metric = "concurrency"."""
    scale_out_cooldown_seconds: Annotated[int, Field(ge=0, le=3600)]
    """Seconds after a scale-out in which only a larger one may follow."""
    scale_in_cooldown_seconds: Annotated[int, Field(ge=0, le=3600)]
    """Seconds after a scale-in before the next."""
    schedule: list[Schedule] = Field(default=[])
    """Bounds that change at a time of day, before the load does."""
