"""One scalable target: what becomes of its policies' asks, between its bounds and through its cooldowns."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from local.scaling.policy import StepScaling, TargetTracking


@dataclass(frozen=True)
class Bounds:
    minimum: int
    maximum: int

    def hold(self, capacity: int) -> int:
        return min(max(capacity, self.minimum), self.maximum)


@dataclass(frozen=True)
class Cooldowns:
    """What still runs of the last scaling: until when, and what an outward one started from."""

    out_until: float = 0.0
    out_from: int = 0
    in_until: float = 0.0

    def base(self, capacity: int, now: float) -> int:
        """What an outward ask is reckoned from: what was added during its cooldown counts as part of the new ask."""
        return self.out_from if now < self.out_until else capacity

    def after(self, change: "Change", now: float) -> "Cooldowns":
        """From when the change has taken effect. Scaling out ends the wait of scaling in."""
        if change.to > change.capacity:
            return Cooldowns(now + change.cooldown, change.base, 0.0)
        return replace(self, in_until=now + change.cooldown)


@dataclass(frozen=True)
class Reading:
    """One policy at one moment: which of its alarms is raised, with the points that raised it.

    For steps, `distance` is how far the metric is beyond the threshold and `above` on which side an alarm is.
    """

    name: str
    policy: TargetTracking | StepScaling
    alarm: str = ""
    high: bool = False
    low: bool = False
    points: tuple[float, ...] = ()
    distance: float | None = None
    above: bool = True


@dataclass(frozen=True)
class Change:
    """From `capacity` to `to`, for `alarm` of policy `name`; `base` is what an outward one was reckoned from."""

    capacity: int
    to: int
    base: int
    name: str
    alarm: str
    cooldown: float


def decide(
    readings: Iterable[Reading], capacity: int, bounds: Bounds, cooldowns: Cooldowns, now: float
) -> Change | None:
    """Out if any policy asks, to the largest that one asks for; in only if every policy that may agrees, to the largest
    again."""
    readings = list(readings)
    found = _largest(
        bounds.hold(asked) if asked is not None else capacity
        for asked in (_out(one, cooldowns.base(capacity, now)) for one in readings)
    )
    if found is not None and found[1] > capacity:
        one = readings[found[0]]
        return Change(capacity, found[1], cooldowns.base(capacity, now), one.name, one.alarm, _cooldown(one, out=True))
    if now < cooldowns.in_until:
        return None
    leaving = [(one, asked) for one in _leaving(readings) if (asked := _into(one, capacity)) is not None]
    found = _largest(bounds.hold(asked) for _, asked in leaving)
    if found is None or found[1] >= capacity:
        return None
    one = leaving[found[0]][0]
    return Change(capacity, found[1], capacity, one.name, one.alarm, _cooldown(one, out=False))


def _leaving(readings: list[Reading]) -> list[Reading]:
    """Who may ask to scale in. Of target tracking, all that may at all have to be ready; steps wait for nobody."""
    tracking = [one for one in readings if isinstance(one.policy, TargetTracking) and not one.policy.disable_scale_in]
    steps = [one for one in readings if isinstance(one.policy, StepScaling)]
    return steps + (tracking if all(one.low for one in tracking) else [])


def _largest(asked: Iterable[int]) -> tuple[int, int] | None:
    found = list(enumerate(asked))
    return max(found, key=lambda each: each[1]) if found else None


def _out(one: Reading, base: int) -> int | None:
    if isinstance(one.policy, StepScaling):
        return None if one.distance is None else one.policy.wanted(base, one.distance, one.above)
    return one.policy.out(base, one.points) if one.high and one.points else None


def _into(one: Reading, capacity: int) -> int | None:
    if isinstance(one.policy, StepScaling):
        return None if one.distance is None else one.policy.wanted(capacity, one.distance, one.above)
    return one.policy.into(capacity, one.points) if one.points else None


def _cooldown(one: Reading, *, out: bool) -> float:
    if isinstance(one.policy, StepScaling):
        return one.policy.cooldown
    return one.policy.scale_out_cooldown if out else one.policy.scale_in_cooldown
