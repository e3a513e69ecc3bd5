"""How a new version takes over from the running one."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import Section

Wait = Annotated[int, Field(ge=0, le=3600)]


class RolloutAlarms(Section):
    error_percent: Annotated[float, Field(gt=0, le=100)]
    """Share of requests answered with 5xx above which the update is taken back."""
    latency_p99_ms: Annotated[float, Field(gt=0, le=60_000)]
    """The slowest hundredth of requests may take this long in the model; above it the update is taken back."""
    minutes: Annotated[int, Field(ge=1, le=60)]
    """Minutes in a row above a limit that set its alarm off."""


class Rollout(Section):
    kind: Literal["all-at-once", "canary", "linear", "rolling"]
    """All traffic at once, a share and then the rest, equal steps, or instance by instance without a second fleet."""
    step_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """The canary's share (up to 50), a linear step (10 to 50) or a rolling batch (5 to 50) of the instances."""
    wait_seconds: Wait
    """How long alarms are watched after each step before the next."""
    keep_old_seconds: Wait = 0
    """How long the old fleet is kept, and billed, after the last step, for a quick way back; not with "rolling"."""
    timeout_seconds: Annotated[int, Field(ge=600, le=28_800)] | None = None
    """An update that takes longer is taken back; by default SageMaker's own limit."""
    alarms: RolloutAlarms | None = None
    """What takes an update back by itself."""
