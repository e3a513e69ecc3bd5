"""Readings of single events, counted until their minute is over and then published: a busy minute takes little room."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from local import joints_cloudwatch
from local.clock import Clock
from local.records import Scope

MINUTE = 60


@dataclass(frozen=True)
class Metric:
    """One metric under its dimensions."""

    place: Scope
    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass
class Readings:
    clock: Clock
    _open: dict[tuple[Metric, int], Counter[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(  # noqa: PLR0917 - a reading
        self, place: Scope, namespace: str, dimensions: Mapping[str, str], name: str, unit: str, value: float
    ) -> None:
        """A value is kept to three digits."""
        metric = Metric(place, namespace, name, unit, tuple(dimensions.items()))
        minute = int(self.clock.now() // MINUTE)
        with self._lock:
            self._open.setdefault((metric, minute), Counter())[float(f"{value:.3g}")] += 1

    def publish(self) -> None:
        """Every minute that is over."""
        now = int(self.clock.now() // MINUTE)
        with self._lock:
            over = {key: self._open.pop(key) for key in list(self._open) if key[1] < now}
        for (metric, minute), values in over.items():
            dimensions, at = dict(metric.dimensions), float(minute * MINUTE)
            joints_cloudwatch.publish(metric.place, metric.namespace, metric.name, metric.unit, dimensions, at, values)
