"""What the server counts, as /metrics tells it to Prometheus (text format 0.0.4)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Histogram:
    """How long something took, in buckets."""

    counts: list[int] = field(default_factory=lambda: [0] * len(BUCKETS_SECONDS))
    count: int = 0
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        for number, limit in enumerate(BUCKETS_SECONDS):
            if seconds <= limit:
                self.counts[number] += 1

    def lines(self, name: str, labels: str) -> Iterator[str]:
        joint = "," if labels else ""
        for limit, count in zip(BUCKETS_SECONDS, self.counts, strict=True):
            yield f'{name}_bucket{{{labels}{joint}le="{limit:g}"}} {count}'
        yield f'{name}_bucket{{{labels}{joint}le="+Inf"}} {self.count}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.total:.6f}"
        yield f"{name}_count{braces} {self.count}"


@dataclass
class Metrics:
    """Counted since this process started."""

    requests: Counter[tuple[int, str]] = field(default_factory=Counter)
    images: int = 0
    duration: Histogram = field(default_factory=Histogram)
    steps: dict[str, Histogram] = field(default_factory=dict)

    def answered(self, status: int, code: str, seconds: float) -> None:
        self.requests[status, code] += 1
        self.duration.add(seconds)

    def predicted(self, images: int, milliseconds: dict[str, float]) -> None:
        self.images += images
        for step, spent in milliseconds.items():
            self.steps.setdefault(step, Histogram()).add(spent / 1000)

    def text(self, gauges: dict[str, tuple[str, float]], version: str) -> str:
        """All of it; `gauges` are a name's help and its value of this moment."""
        lines = [
            *header("requests_total", "counter", "Requests to /invocations by status and error code."),
            *(
                f'whippet_serving_requests_total{{status="{status}",code="{code}"}} {count}'
                for (status, code), count in sorted(self.requests.items())
            ),
            *header("images_total", "counter", "Images answered."),
            f"whippet_serving_images_total {self.images}",
            *header("request_seconds", "histogram", "From a request's headers to its answer."),
            *self.duration.lines("whippet_serving_request_seconds", ""),
            *header("step_seconds", "histogram", "Where the time of answered requests went."),
        ]
        for step, histogram in sorted(self.steps.items()):
            lines += histogram.lines("whippet_serving_step_seconds", f'step="{step}"')
        for name, (told, value) in gauges.items():
            lines += [*header(name, "gauge", told), f"whippet_serving_{name} {value:g}"]
        lines += [
            *header("model_info", "gauge", "The model that answers."),
            f'whippet_serving_model_info{{version="{version}"}} 1',
        ]
        return "\n".join(lines) + "\n"


def header(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP whippet_serving_{name} {told}", f"# TYPE whippet_serving_{name} {kind}"]
