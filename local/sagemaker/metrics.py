"""What endpoints publish to CloudWatch of their invocations: namespace AWS/SageMaker, by EndpointName and VariantName.

Latencies are in microseconds. A value is kept to three digits, so that a busy minute takes little room.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field

from local import joints_cloudwatch
from local.clock import Clock
from local.records import Scope

NAMESPACE = "AWS/SageMaker"
MINUTE = 60
SAMPLE_SECONDS = 10
# CloudWatch keeps points of less than a minute for three hours.
KEEP_SAMPLES_SECONDS = 3 * 3600
INSTANCES_NAMESPACE = "/aws/sagemaker/Endpoints"
UNITS = {
    **dict.fromkeys(("ModelLatency", "OverheadLatency", "ModelSetupTime"), "Microseconds"),
    **dict.fromkeys(
        (
            "ServerlessProvisionedConcurrencyExecutions",
            "ServerlessProvisionedConcurrencyInvocations",
            "ServerlessProvisionedConcurrencySpilloverInvocations",
        ),
        "Count",
    ),
}
Key = tuple[Scope, str, str]


@dataclass
class Invocation:
    """One request, as it is known when it is over; without a variant it reached no fleet."""

    variant: str | None = None
    instances: int = 1
    # What the container answered; 0 where it did not.
    status: int = 0
    model_seconds: float = 0.0
    # Of a serverless variant alone: the requests under way, of those it may have, and how long a cold start took.
    share_of_concurrency: float | None = None
    setup_seconds: float | None = None
    # And, where some of its environments are provisioned, how many of those there are for each request under way.
    at_once: int = 0
    provisioned: int = 0


@dataclass
class InvocationMetrics:
    """Counts until a minute is over, then publishes it."""

    clock: Clock
    _open: dict[tuple[Key, int], dict[str, Counter[float]]] = field(default_factory=dict)
    _published: int | None = None
    # The minute in which a variant's memory was last looked at.
    _remembered: dict[Key, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, scope: Scope, endpoint: str, seen: Invocation, total_seconds: float) -> None:
        if seen.variant is None:
            return
        client_error = 400 <= seen.status < 500  # noqa: PLR2004 - HTTP's classes
        failed = not 200 <= seen.status < 300  # noqa: PLR2004
        said = {
            "Invocations": 1.0,
            "Invocation4XXErrors": float(client_error),
            "Invocation5XXErrors": float(failed and not client_error),
            "ModelLatency": _three_digits(seen.model_seconds * 1e6),
            "OverheadLatency": _three_digits(max(0.0, total_seconds - seen.model_seconds) * 1e6),
        }
        if seen.share_of_concurrency is None:
            said["InvocationsPerInstance"] = 1 / max(seen.instances, 1)
            said["InvocationModelErrors"] = float(failed)
        else:
            said["ServerlessConcurrentExecutionsUtilization"] = _three_digits(seen.share_of_concurrency)
        if seen.provisioned:
            spilled = seen.at_once > seen.provisioned
            said |= {
                "ServerlessProvisionedConcurrencyExecutions": float(seen.at_once),
                "ServerlessProvisionedConcurrencyUtilization": _three_digits(seen.at_once / seen.provisioned),
                "ServerlessProvisionedConcurrencyInvocations": float(not spilled),
                "ServerlessProvisionedConcurrencySpilloverInvocations": float(spilled),
            }
        if seen.setup_seconds is not None:
            said["ModelSetupTime"] = _three_digits(seen.setup_seconds * 1e6)
        key = ((scope, endpoint, seen.variant), int(self.clock.now() // MINUTE))
        with self._lock:
            minute = self._open.setdefault(key, {})
            for metric, value in said.items():
                minute.setdefault(metric, Counter())[value] += 1

    def publish(self, scaled: list[Key]) -> None:
        """Every minute that is over. A variant that is scaled says 0 when nobody asked, or it would never scale in."""
        now = int(self.clock.now() // MINUTE)
        since = now - 1 if self._published is None else self._published
        self._published = now
        with self._lock:
            over = {key: self._open.pop(key) for key in list(self._open) if key[1] < now}
        for minute in range(since, now):
            for idle in scaled:
                zeros = {"Invocations": Counter({0.0: 1}), "InvocationsPerInstance": Counter({0.0: 1})}
                over.setdefault((idle, minute), zeros)
        for ((scope, endpoint, variant), minute), metrics in over.items():
            for metric, values in metrics.items():
                self._put(scope, endpoint, variant, metric, minute * MINUTE, values)

    def wants_memory(self, key: Key) -> bool:
        """Once a minute."""
        return self._remembered.get(key) != int(self.clock.now() // MINUTE)

    def memory(self, key: Key, percents: list[float]) -> None:
        """How full each environment of a serverless variant is."""
        minute = int(self.clock.now() // MINUTE)
        self._remembered[key] = minute
        scope, endpoint, variant = key
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        values = Counter(_three_digits(one) for one in percents)
        # Without an environment nothing is published.
        joints_cloudwatch.publish(
            scope, INSTANCES_NAMESPACE, "MemoryUtilization", "Percent", dimensions, minute * MINUTE, values
        )

    def sample(self, key: Key, outstanding: list[int]) -> None:
        """How many requests each instance works on, every ten seconds."""
        at = self.clock.now() // SAMPLE_SECONDS * SAMPLE_SECONDS
        values = Counter(float(one) for one in outstanding)
        self._put(*key, "ConcurrentRequestsPerModel", at, values, KEEP_SAMPLES_SECONDS)

    @staticmethod
    def _put(  # noqa: PLR0917 - a point
        scope: Scope,
        endpoint: str,
        variant: str,
        metric: str,
        at: float,
        values: Counter[float],
        keep_seconds: float | None = None,
    ) -> None:
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        unit = UNITS.get(metric, "None")
        joints_cloudwatch.publish(scope, NAMESPACE, metric, unit, dimensions, at, values, keep_seconds)


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")
