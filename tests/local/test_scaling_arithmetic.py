"""Target tracking, steps, cooldowns and alarms as tables: no process, no clock but the one a test turns."""

import pkgutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

import local.scaling
from local.scaling.alarm import ALARM, INSUFFICIENT_DATA, OK, Threshold
from local.scaling.policy import Step, StepScaling, TargetTracking
from local.scaling.target import Bounds, Change, Cooldowns, Reading, decide

# Prints what an import brings along.
IMPORTED = "import sys; before = {*sys.modules}; import %s; print(*sorted({*sys.modules} - before))"
TRACK = TargetTracking(100)
BOUNDS = Bounds(1, 10)
HIGH = Threshold("GreaterThanThreshold", 10, 3, 2)


@pytest.mark.parametrize(
    ("missing", "periods", "before", "after"),
    [
        ("missing", [11, 11, 5], OK, ALARM),
        ("missing", [11, 5, 5], ALARM, OK),
        ("missing", [10, 10, 10], ALARM, OK),
        ("missing", [None, None, None], ALARM, INSUFFICIENT_DATA),
        ("missing", [11, None, None], ALARM, ALARM),
        ("missing", [11, None, None], OK, OK),
        ("missing", [5, 5, None], ALARM, OK),
        ("ignore", [None, None, None], ALARM, ALARM),
        ("breaching", [None, None, 5], OK, ALARM),
        ("notBreaching", [None, None, 11], ALARM, OK),
        ("notBreaching", [None, None, None], ALARM, OK),
    ],
)
def test_alarm_needs_m_of_n_periods_and_treats_the_missing_as_told(missing, periods, before, after):
    threshold = Threshold("GreaterThanThreshold", 10, 3, 2, missing=missing)
    assert threshold.state(periods, before) == after


def test_target_tracking_has_the_alarms_of_real_endpoints():
    policy = TargetTracking(1500)
    assert (policy.high.comparison, policy.high.value, policy.high.datapoints_to_alarm) == (
        "GreaterThanThreshold",
        1500,
        3,
    )
    assert (policy.low.comparison, policy.low.value, policy.low.datapoints_to_alarm) == (
        "LessThanThreshold",
        1350,
        15,
    )


def test_high_resolution_alarm_comes_after_half_a_minute_and_goes_no_sooner():
    policy = TargetTracking(5, period_seconds=10)
    assert policy.high.evaluation_periods * policy.high.period_seconds == 30
    assert policy.low.evaluation_periods * policy.low.period_seconds == 900


@pytest.mark.parametrize(
    ("capacity", "value", "wanted"),
    [(1, 101, 2), (1, 250, 3), (2, 150, 3), (3, 100, 3), (4, 30, 2), (2, 0, 0), (0, 250, 3), (3, 0.1 * 1000 / 3, 1)],
)
def test_capacity_follows_the_metric_in_proportion(capacity, value, wanted):
    assert TRACK.out(capacity, [value]) == wanted


def reading(policy=TRACK, *points, high=False, low=False, name="policy"):
    return Reading(name, policy, "alarm", high, low, points)


def hot(value, policy=TRACK, name="hot"):
    return reading(policy, value, value, value, high=True, name=name)


def cold(*values, policy=TRACK, name="cold"):
    return reading(policy, *values, low=True, name=name)


def to(change):
    return None if change is None else change.to


@pytest.mark.parametrize(
    ("readings", "capacity", "wanted"),
    [
        ([hot(300)], 2, 6),
        ([hot(10_000)], 2, 10),
        ([hot(120)], 10, None),
        ([reading(TRACK, 300)], 2, None),
        ([cold(10)], 5, 1),
        ([cold(0, 0, 85)], 4, None),
        ([cold(0, 45, 0)], 4, 2),
        ([cold(10)], 1, None),
        ([hot(300), cold(10)], 2, 6),
        ([hot(110), hot(300)], 2, 6),
        ([cold(10), reading(TRACK, 95)], 5, None),
        ([cold(10), cold(50)], 8, 4),
        ([cold(10, policy=TargetTracking(100, disable_scale_in=True))], 5, None),
        ([cold(10), reading(TargetTracking(100, disable_scale_in=True), 95)], 5, 1),
    ],
)
def test_out_if_any_policy_asks_and_in_only_if_all_agree(readings, capacity, wanted):
    assert to(decide(readings, capacity, BOUNDS, Cooldowns(), now=0)) == wanted


def test_change_says_which_policy_asked():
    change = decide([hot(110, name="a"), hot(300, name="b")], 2, BOUNDS, Cooldowns(), now=0)
    assert change == Change(2, 6, 2, "b", "alarm", 300)


def test_capacity_added_counts_until_the_cooldown_is_over():
    first = decide([hot(200)], 2, BOUNDS, Cooldowns(), now=0)
    cooldowns = Cooldowns().after(first, now=0)
    assert to(decide([hot(200)], 4, BOUNDS, cooldowns, now=299)) is None
    assert to(decide([hot(200)], 4, BOUNDS, cooldowns, now=300)) == 8


def test_larger_scale_out_does_not_wait():
    cooldowns = Cooldowns().after(decide([hot(200)], 2, BOUNDS, Cooldowns(), now=0), now=0)
    assert to(decide([hot(350)], 4, BOUNDS, cooldowns, now=60)) == 7


def test_scale_in_waits_for_its_cooldown_and_scale_out_ends_that():
    cooldowns = Cooldowns().after(decide([cold(70)], 4, BOUNDS, Cooldowns(), now=0), now=0)
    assert to(decide([cold(10)], 3, BOUNDS, cooldowns, now=299)) is None
    assert to(decide([cold(10)], 3, BOUNDS, cooldowns, now=300)) == 1
    assert to(decide([hot(200)], 3, BOUNDS, cooldowns, now=10)) == 6
    cooldowns = cooldowns.after(decide([hot(200)], 3, BOUNDS, cooldowns, now=10), now=10)
    assert to(decide([cold(10)], 6, BOUNDS, cooldowns, now=20)) == 1


WAKE = StepScaling((Step(1, lower=0),), cooldown=0)
LADDER = StepScaling((Step(1, 0, 10), Step(3, 10, None)), cooldown=300)


def stepped(policy, distance, above=True):
    return Reading("steps", policy, "alarm", distance=distance, above=above)


@pytest.mark.parametrize(
    ("policy", "distance", "above", "capacity", "wanted"),
    [
        (WAKE, 0, True, 0, 1),
        (LADDER, 0, True, 2, 3),
        (LADDER, 10, True, 2, 5),
        (LADDER, -1, True, 2, None),
        (StepScaling((Step(-2, None, 0),)), 0, False, 5, 3),
        (StepScaling((Step(-2, None, -5),)), -1, False, 5, None),
        (StepScaling((Step(4, 0),), "ExactCapacity"), 1, True, 2, 4),
        (StepScaling((Step(4, None, 0),), "ExactCapacity"), -1, False, 6, 4),
        (StepScaling((Step(25, 0),), "PercentChangeInCapacity", minimum_magnitude=2), 1, True, 4, 6),
        (StepScaling((Step(25, 0),), "PercentChangeInCapacity"), 1, True, 2, 3),
        (StepScaling((Step(-25, None, 0),), "PercentChangeInCapacity"), -1, False, 7, 6),
    ],
)
def test_steps_adjust_by_how_far_the_metric_is_beyond(policy, distance, above, capacity, wanted):
    assert to(decide([stepped(policy, distance, above)], capacity, Bounds(0, 10), Cooldowns(), now=0)) == wanted


def test_more_aggressive_step_adds_only_what_the_first_did_not():
    cooldowns = Cooldowns().after(decide([stepped(LADDER, 0)], 2, BOUNDS, Cooldowns(), now=0), now=0)
    assert to(decide([stepped(LADDER, 5)], 3, BOUNDS, cooldowns, now=60)) is None
    assert to(decide([stepped(LADDER, 20)], 3, BOUNDS, cooldowns, now=60)) == 5


@dataclass
class Replay:
    """A fleet under a load by the minute: each minute ends with a data point, an evaluation and perhaps a change."""

    policy: TargetTracking
    bounds: Bounds
    launch_minutes: int = 0
    capacity: int = 1
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    points: list = field(default_factory=list)
    sizes: list = field(default_factory=list)
    states: tuple = (OK, OK)
    pending: tuple | None = None

    def run(self, *loads):
        for load in loads:
            self._minute(load)
        return self.sizes

    def _minute(self, load):
        self.points.append(load / self.capacity)
        self.sizes.append(self.capacity)
        now = len(self.points) * 60.0
        high, low = self.policy.high, self.policy.low
        window = [None] * low.evaluation_periods + self.points
        self.states = high.state(window, self.states[0]), low.state(window, self.states[1])
        if self.pending is not None and now >= self.pending[0]:
            change, self.pending = self.pending[1], None
            self.capacity, self.cooldowns = change.to, self.cooldowns.after(change, now)
        elif self.pending is None:
            seen = tuple(self.points[-low.evaluation_periods :])
            raised = [state == ALARM for state in self.states]
            one = Reading("policy", self.policy, "alarm", raised[0], raised[1], seen)
            change = decide([one], self.capacity, self.bounds, self.cooldowns, now)
            if change is not None and self.launch_minutes and change.to > self.capacity:
                self.pending = now + self.launch_minutes * 60, change
            elif change is not None:
                self.capacity, self.cooldowns = change.to, self.cooldowns.after(change, now)


def test_replay_scales_out_after_three_minutes_and_in_after_fifteen():
    """Target 1500 with cooldowns of 10 and 100 s: a user of the real service saw more than 5 and 25 minutes."""
    sizes = Replay(TargetTracking(1500, 10, 100), Bounds(1, 4), launch_minutes=4).run(
        *[100] * 5, *[4000] * 20, *[100] * 30
    )
    burst, quiet = sizes[5:25], sizes[25:]
    assert burst.index(3) == 7
    assert max(sizes) == 3
    assert quiet.index(1) == 15
    assert set(quiet[:15]) == {3}


def test_steady_load_never_flaps():
    for load in range(50, 1000, 7):
        sizes = Replay(TargetTracking(100, 0, 0), BOUNDS).run(*[load] * 60)
        assert sizes == sorted(sizes), load
        assert sizes[-1] == -(-load // 100), load


def test_load_that_swings_within_a_tenth_below_target_keeps_its_fleet():
    sizes = Replay(TargetTracking(100, 0, 0), BOUNDS, capacity=4).run(*[395, 365] * 40)
    assert set(sizes) == {4}


def test_arithmetic_is_pure_it_needs_nothing_of_the_embedded_aws_and_of_no_package():
    """A capacity plan imports it: no MiniStack, no botocore, no process comes along."""
    modules = [f"local.scaling.{one.name}" for one in pkgutil.iter_modules(local.scaling.__path__)]
    assert len(modules) > 3
    command = [sys.executable, "-c", IMPORTED % ", ".join(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Names that begin with an underscore are the interpreter's own too: how it was built.
    given = sys.stdlib_module_names
    others = {name for name in done.stdout.split() if name[0] != "_" and name.split(".")[0] not in given}
    assert others == {"local", "local.scaling", *modules}
