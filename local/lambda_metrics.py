"""AWS/Lambda's metrics of every invocation, whoever asked for it: by function, and by the version or alias called.

MiniStack publishes those of direct calls alone, by function alone, so that alarms on an alias never saw a reading.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local import invoked_aliases, joints, joints_lambda
from local.readings import Readings
from local.records import Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
NAMESPACE = "AWS/Lambda"


@dataclass
class LambdaMetrics:
    readings: Readings
    _running: Counter[tuple[Scope, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self) -> None:
        joints.wrap("services.lambda_svc:_execute_function", self._execute)
        joints.wrap("services.lambda_svc:_emit_lambda_metrics", lambda original, *given, **named: None)

    def _execute(self, original: Foreign, func: Mapping[str, Foreign], event: Foreign) -> Foreign:
        config = func.get("config") or func
        arn = str(config["FunctionArn"]).split(":")
        place = Scope(arn[4], arn[3])
        if place != Scope(joints.account(), joints.current_region()):
            # MiniStack comes back with the function's own account and region.
            return original(func, event)
        name = str(config["FunctionName"])
        with self._lock:
            self._running[place, name] += 1
            at_once = self._running[place, name]
        began = time.monotonic()
        try:
            result = original(func, event)
        finally:
            with self._lock:
                self._running[place, name] -= 1
        qualifier = invoked_aliases.called_by() or (arn[7] if len(arn) > 7 else "")  # noqa: PLR2004 - an ARN's parts
        split = joints_lambda.alias(place, name, qualifier) or {}
        executed = str(config.get("Version", "")) if invoked_aliases.weights(split) else ""
        self.publish(place, name, qualifier, executed, result, (time.monotonic() - began) * 1000, at_once)
        return result

    def publish(  # noqa: PLR0917 - one invocation
        self,
        place: Scope,
        name: str,
        qualifier: str,
        executed: str,
        result: Mapping[str, Foreign],
        milliseconds: float,
        at_once: int,
    ) -> None:
        """A throttled call is no invocation."""
        readings = [("Throttles", "Count", 1.0)]
        if not result.get("throttle"):
            readings = [
                ("Invocations", "Count", 1.0),
                ("Errors", "Count", float(bool(result.get("error")))),
                ("Throttles", "Count", 0.0),
                ("Duration", "Milliseconds", milliseconds),
                ("ConcurrentExecutions", "Count", float(at_once)),
            ]
        for dimensions in _dimensions(name, qualifier, executed):
            for metric, unit, value in readings:
                self.readings.add(place, NAMESPACE, dimensions, metric, unit, value)


def _dimensions(name: str, qualifier: str, executed: str) -> Iterator[dict[str, str]]:
    """By function; by what was called; and, where an alias is split, by the version that answered."""
    yield {"FunctionName": name}
    if qualifier:
        resource = {"FunctionName": name, "Resource": f"{name}:{qualifier}"}
        yield resource
        if executed:
            yield {**resource, "ExecutedVersion": executed}
