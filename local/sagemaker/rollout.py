"""How traffic moves from an endpoint's old fleet to its new one, and what takes it back: DeploymentConfig."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from local.clock import Clock
from local.records import Document
from local.sagemaker.fleet import Fleet
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.names import validation
from local.sagemaker.serverless import is_serverless

LOOK_EVERY_SECONDS = 0.1
# In percent of a variant's instances, as the API's documentation says.
LIMITS = {"CANARY": (0, 50), "LINEAR": (10, 50), "ROLLING": (5, 50)}
SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}


class TakenBack(LaunchFailed):
    """The new fleet was healthy, and an alarm or the time limit decided against it."""


@dataclass(frozen=True)
class Plan:
    """A DeploymentConfig as it is carried out; without one everything moves at once."""

    kind: str = "ALL_AT_ONCE"
    size: Document | None = None
    wait_seconds: float = 0.0
    keep_old_seconds: float = 0.0
    timeout_seconds: float | None = None
    alarms: tuple[str, ...] = ()

    def share(self, instances: int) -> float:
        """How much of the traffic one step moves."""
        if self.size is None:
            return 1.0
        return float(self.size["Value"]) / (100 if self.size["Type"] == "CAPACITY_PERCENT" else instances)

    def batch(self, instances: int) -> int:
        return max(1, int(instances * self.share(instances)))

    def steps(self, instances: int) -> Iterator[float]:
        """The new fleet's share of the traffic, step by step."""
        share = self.share(instances)
        if self.kind == "CANARY":
            yield share
        elif self.kind == "LINEAR":
            # Counted, not summed: tenths do not add up to one.
            yield from (step * share for step in range(1, int(1 / share + 1e-9) + 1) if step * share < 1 - 1e-9)
        yield 1.0


def plan_of(config: Document | None, deployment: Document) -> Plan:
    """Refuses what the API refuses: both policies, a size outside its limits, rolling with several variants."""
    config = config or {}
    alarms = tuple(one["AlarmName"] for one in config.get("AutoRollbackConfiguration", {}).get("Alarms", []))
    rolling, blue_green = config.get("RollingUpdatePolicy"), config.get("BlueGreenUpdatePolicy")
    if rolling and blue_green:
        raise validation("DeploymentConfig takes either a BlueGreenUpdatePolicy or a RollingUpdatePolicy, not both.")
    if rolling:
        if len(deployment["Variants"]) > 1:
            raise validation("A rolling update is not supported for an endpoint with several variants.")
        if is_serverless(deployment):
            raise validation("A rolling update is not supported for a serverless endpoint, which has no instances.")
        plan = Plan(
            "ROLLING",
            rolling["MaximumBatchSize"],
            rolling["WaitIntervalInSeconds"],
            timeout_seconds=rolling.get("MaximumExecutionTimeoutInSeconds"),
            alarms=alarms,
        )
    elif blue_green:
        routing = blue_green["TrafficRoutingConfiguration"]
        kind = routing["Type"]
        if kind in SIZES and SIZES[kind] not in routing:
            raise validation(f"TrafficRoutingConfiguration of type {kind} needs {SIZES[kind]}.")
        plan = Plan(
            kind,
            routing[SIZES[kind]] if kind in SIZES else None,
            routing["WaitIntervalInSeconds"],
            blue_green.get("TerminationWaitInSeconds", 0),
            blue_green.get("MaximumExecutionTimeoutInSeconds"),
            alarms,
        )
    else:
        plan = Plan(alarms=alarms)
    _refuse_size(plan, deployment)
    return plan


def _refuse_size(plan: Plan, deployment: Document) -> None:
    if plan.size is None:
        return
    if is_serverless(deployment) and plan.size["Type"] == "INSTANCE_COUNT":
        raise validation("A serverless endpoint has no instances to count: choose a size in CAPACITY_PERCENT.")
    low, high = LIMITS[plan.kind]
    for variant in deployment["Variants"]:
        instances = variant.get("InitialInstanceCount", 1)
        percent = plan.share(instances) * 100
        # A fleet of one has no half: its only instance is the smallest step there is.
        if not low <= percent <= high and not (plan.size["Type"] == "INSTANCE_COUNT" and plan.batch(instances) == 1):
            raise validation(
                f"A step of {percent:g} % of the {instances} instance(s) of variant {variant['VariantName']} lies "
                f"outside {low} to {high} % for {plan.kind}."
            )


class Alarms(Protocol):
    def in_alarm(self, names: tuple[str, ...]) -> str | None:
        """The first of them that is in ALARM; an error where the role may not look."""


@dataclass
class Rollout:
    """One update under way."""

    plan: Plan
    alarms: Alarms
    # Sends this share of the requests to this fleet, and the rest to the one that serves.
    route: Callable[[Fleet, float], None]
    clock: Clock
    began: float = 0.0

    def blue_green(self, new: Fleet, instances: int) -> None:
        """A whole second fleet takes over step by step; raises TakenBack."""
        self.began = self.clock.now()
        for share in self.plan.steps(instances):
            self.route(new, share)
            last = share >= 1
            self._watch(self.plan.wait_seconds if not last or self.plan.kind == "ALL_AT_ONCE" else 0)
        self._watch(self.plan.keep_old_seconds)

    def rolling(self, old: Fleet, new: Fleet, instances: int) -> None:
        """The new fleet has its first batch; each further one replaces as many old instances."""
        self.began = self.clock.now()
        (before,), (after,) = old.variants.values(), new.variants.values()
        batch = moved = self.plan.batch(instances)
        while True:
            self.route(new, min(moved / instances, 1.0))
            # An old fleet that was smaller does not grow for it.
            with old.changing:
                before.resize(min(before.wanted, max(instances - moved, 0)))
            self._watch(self.plan.wait_seconds)
            if moved >= instances:
                return
            moved = min(moved + batch, instances)
            with new.changing:
                after.resize(moved)

    def _watch(self, seconds: float) -> None:
        until = self.clock.now() + seconds
        while True:
            alarm = self.alarms.in_alarm(self.plan.alarms) if self.plan.alarms else None
            if alarm is not None:
                raise TakenBack(f"The alarm {alarm} was in ALARM during the update, which was rolled back.")
            now = self.clock.now()
            if self.plan.timeout_seconds is not None and now - self.began > self.plan.timeout_seconds:
                raise TakenBack(f"The update took longer than {self.plan.timeout_seconds:g} s and was rolled back.")
            if now >= until:
                return
            time.sleep(min(LOOK_EVERY_SECONDS, self.clock.pause(until - now)))
