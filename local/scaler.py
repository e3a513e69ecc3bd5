"""Application Auto Scaling at work: bounds, scheduled actions and policies change capacity, and activities say why."""

import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import ClassVar, Protocol

from local import joints_cloudwatch
from local.alarms import Alarms
from local.clock import Clock
from local.joints_cloudwatch import Alarm
from local.json_service import AwsError
from local.records import Document, Records, Scope
from local.scaling.alarm import ALARM
from local.scaling.policy import StepScaling
from local.scaling.schedule import Schedule
from local.scaling.target import Bounds, Change, Cooldowns, Reading, decide
from local.tracking import arithmetic

# AWS tells of activities for six weeks.
KEEP_SECONDS = 42 * 86400
logger = logging.getLogger("embedded-aws.scaling")


class Scalable(Protocol):
    """What is scaled in one namespace, and how its activities call it."""

    capacity_name: ClassVar[str]

    def exists(self, scope: Scope, resource_id: str) -> bool: ...

    def capacity(self, scope: Scope, resource_id: str) -> int | None:
        """What is wanted now; None while it cannot be changed."""

    def change(self, scope: Scope, resource_id: str, to: int) -> None:
        """Begins it; an AwsError says why not."""

    def failure(self, scope: Scope, resource_id: str, to: int) -> str | None:
        """Once `capacity` answers again: why it is not `to`."""


@dataclass
class Scaler:
    """Looks at every target at each tick of the clock."""

    records: Records
    resources: Mapping[str, Scalable]
    alarms: Alarms
    clock: Clock
    _fired: set[str] = field(default_factory=set)
    _acted: dict[str, float] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def fired(self, place: Scope, action: str, alarm: Alarm) -> None:
        """An alarm has just changed, to whatever it acts on: seen at the next tick, even if it has changed back."""
        if ":scalingPolicy:" in action:
            self._fired.add(action)

    def tick(self) -> None:
        for scope, key, _ in self.records.everywhere("ScalableTarget"):
            with self._lock:
                target = self.records.get(scope, "ScalableTarget", key)
                if target is not None:
                    try:
                        self._look(scope, key, target)
                    except Exception:
                        logger.exception("%s was not looked at", target["ResourceId"])
        self._forget_old()

    def registered(self, scope: Scope, key: str) -> None:
        """A new range takes effect at once where capacity is outside of it."""
        with self._lock:
            target = self.records.get(scope, "ScalableTarget", key)
            if target is not None and "_activity" not in target:
                self._hold(scope, key, target)

    def _look(self, scope: Scope, key: str, target: Document) -> None:
        if "_activity" in target:
            self._settle(scope, key, target)
            return
        self._run_schedule(scope, key, target)
        target = self.records.get(scope, "ScalableTarget", key) or target
        if not self._hold(scope, key, target):
            self._follow(scope, key, target)

    # --- bounds and schedule -------------------------------------------------------------------------------------

    def _hold(self, scope: Scope, key: str, target: Document) -> bool:
        capacity = self._capacity(scope, target)
        if capacity is None:
            return False
        to = _bounds(target).hold(capacity)
        if to == capacity:
            return False
        side = "minimum" if to > capacity else "maximum"
        self._begin(scope, key, target, Change(capacity, to, capacity, "", "", 0), f"{side} capacity was set to {to}")
        return True

    def _run_schedule(self, scope: Scope, key: str, target: Document) -> None:
        now = self.clock.now()
        for action in self.records.all(scope, "ScheduledAction"):
            name = f"{action['ScheduledActionName']}|{key}"
            if any(action[part] != target[part] for part in ("ResourceId", "ScalableDimension", "ServiceNamespace")):
                continue
            if target["SuspendedState"]["ScheduledScalingSuspended"]:
                continue
            due = schedule(action).after(action["_seen"])
            if due is None or due > now:
                continue
            with self.records.edit(scope, "ScheduledAction", name) as kept:
                kept["_seen"] = now
            bounds = action.get("ScalableTargetAction", {})
            with self.records.edit(scope, "ScalableTarget", key) as kept:
                kept.update(bounds)
            said = " and ".join(
                f"{side} capacity to {bounds[name]}"
                for side, name in (("min", "MinCapacity"), ("max", "MaxCapacity"))
                if name in bounds
            )
            cause = f"scheduled action name {action['ScheduledActionName']} was triggered"
            activity = self._activity(scope, target, f"Setting {said}", cause)
            self._end(scope, activity, "Successful", f"Successfully set {said}")

    # --- policies ------------------------------------------------------------------------------------------------

    def _follow(self, scope: Scope, key: str, target: Document) -> None:
        policies = [
            one
            for one in self.records.all(scope, "ScalingPolicy")
            if all(one[part] == target[part] for part in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        ]
        if not any(self._has_news(scope, one) for one in policies):
            return
        capacity = self._capacity(scope, target)
        if capacity is None:
            return
        for one in policies:
            self._acted[one["PolicyARN"]] = self.clock.now()
        readings = [reading for one in policies for reading in self._readings(scope, one)]
        self._fired -= {one["PolicyARN"] for one in policies}
        cooldowns = Cooldowns(**target.get("_cooldowns", {}))
        change = decide(readings, capacity, _bounds(target), cooldowns, self.clock.now())
        if change is None or _suspended(target, change):
            return
        cause = f"monitor alarm {change.alarm} in state ALARM triggered policy {change.name}"
        self._begin(scope, key, target, change, cause)

    def _has_news(self, scope: Scope, policy: Document) -> bool:
        """A period has ended since it was last looked at, or an alarm has just fired."""
        arn = policy["PolicyARN"]
        periods = [one.get("Period") or 60 for one in self._alarms(scope, arn)]
        if not periods:
            return False
        now, period = self.clock.now(), min(periods)
        return arn in self._fired or self._acted.get(arn, 0.0) < now // period * period

    def _readings(self, scope: Scope, policy: Document) -> list[Reading]:
        rule = arithmetic(policy)
        if isinstance(rule, StepScaling):
            fired = policy["PolicyARN"] in self._fired
            raised = [one for one in self._alarms(scope, policy["PolicyARN"]) if fired or one["StateValue"] == ALARM]
            return [self._stepped(scope, policy, rule, alarm) for alarm in raised]
        high, low = (joints_cloudwatch.alarm(scope, one["AlarmName"]) for one in policy["Alarms"])
        if high is None or low is None:
            return []
        raised_high, raised_low = high["StateValue"] == ALARM, low["StateValue"] == ALARM
        points = tuple(value for value in self.alarms.values(scope, low) if value is not None)
        name = (high if raised_high else low)["AlarmName"]
        return [Reading(policy["PolicyName"], rule, name, raised_high, raised_low, points)]

    def _stepped(self, scope: Scope, policy: Document, rule: StepScaling, alarm: Alarm) -> Reading:
        known = [value for value in self.alarms.values(scope, alarm) if value is not None]
        # An alarm set by hand has no data behind it: the metric then stands at the threshold.
        distance = known[-1] - alarm["Threshold"] if known else 0.0
        above = alarm["ComparisonOperator"].startswith("Greater")
        return Reading(policy["PolicyName"], rule, alarm["AlarmName"], distance=distance, above=above)

    @staticmethod
    def _alarms(scope: Scope, policy_arn: str) -> list[Alarm]:
        """Those that act on the policy."""
        return [
            alarm
            for place, alarm in joints_cloudwatch.alarms()
            if place == scope and alarm.get("ActionsEnabled", True) and policy_arn in (alarm.get("AlarmActions") or [])
        ]

    # --- activities ----------------------------------------------------------------------------------------------

    def _capacity(self, scope: Scope, target: Document) -> int | None:
        return self.resources[target["ScalableDimension"]].capacity(scope, target["ResourceId"])

    def _begin(self, scope: Scope, key: str, target: Document, change: Change, cause: str) -> None:
        resource, namespace = self.resources[target["ScalableDimension"]], target["ServiceNamespace"]
        what = f"{resource.capacity_name} to {change.to}"
        activity = self._activity(scope, target, f"Setting {what}.", cause)
        try:
            resource.change(scope, target["ResourceId"], change.to)
        except AwsError as error:
            self._end(scope, activity, "Failed", f"Failed to set {what}. Reason: {error.message}")
            return
        said = f"Successfully set {what}. Waiting for change to be fulfilled by {namespace}."
        with self.records.edit(scope, "ScalingActivity", activity) as kept:
            kept.update(StatusCode="InProgress", StatusMessage=said)
        with self.records.edit(scope, "ScalableTarget", key) as kept:
            kept["_activity"] = {"id": activity, "change": asdict(change)}
        logger.info("%s: %s, %s", target["ResourceId"], what, cause)

    def _settle(self, scope: Scope, key: str, target: Document) -> None:
        resource = self.resources[target["ScalableDimension"]]
        if resource.capacity(scope, target["ResourceId"]) is None:
            return
        activity, change = target["_activity"]["id"], Change(**target["_activity"]["change"])
        failure = resource.failure(scope, target["ResourceId"], change.to)
        what = f"{resource.capacity_name} to {change.to}"
        with self.records.edit(scope, "ScalableTarget", key) as kept:
            del kept["_activity"]
            if failure is None:
                after = Cooldowns(**kept.get("_cooldowns", {})).after(change, self.clock.now())
                kept["_cooldowns"] = asdict(after)
        if failure is None:
            said = f"Successfully set {what}. Change successfully fulfilled by {target['ServiceNamespace']}."
            self._end(scope, activity, "Successful", said)
        else:
            self._end(scope, activity, "Failed", f"Failed to set {what}. Reason: {failure}")

    def _activity(self, scope: Scope, target: Document, description: str, cause: str) -> str:
        identity = str(uuid.uuid4())
        document = {
            "ActivityId": identity,
            **{part: target[part] for part in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
            "Description": description,
            "Cause": cause,
            "StartTime": self.clock.now(),
            "StatusCode": "Pending",
        }
        self.records.put(scope, "ScalingActivity", identity, document)
        return identity

    def _end(self, scope: Scope, activity: str, status: str, message: str) -> None:
        with self.records.edit(scope, "ScalingActivity", activity) as kept:
            kept.update(StatusCode=status, StatusMessage=message, EndTime=self.clock.now())

    def _forget_old(self) -> None:
        for scope, name, activity in self.records.everywhere("ScalingActivity"):
            if activity["StartTime"] < self.clock.now() - KEEP_SECONDS:
                self.records.remove(scope, "ScalingActivity", name)


def schedule(action: Document) -> Schedule:
    return Schedule(
        action["Schedule"],
        action.get("Timezone", "UTC"),
        action["CreationTime"],
        action.get("StartTime"),
        action.get("EndTime"),
    )


def _bounds(target: Document) -> Bounds:
    return Bounds(target["MinCapacity"], target["MaxCapacity"])


def _suspended(target: Document, change: Change) -> bool:
    way = "DynamicScalingOutSuspended" if change.to > change.capacity else "DynamicScalingInSuspended"
    return bool(target["SuspendedState"].get(way))
