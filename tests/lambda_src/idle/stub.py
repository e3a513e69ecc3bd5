"""An account made of lists, and a clock that stands still."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lambda_src.idle.account import Box, Notebook, Volume

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ENVIRONMENT = {
    "PROJECT": "whippet",
    "STAGE": "test",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:news",
    "SWEEP": "stop",
    "EVERY_MINUTES": "15",
    "BOX_IDLE_MINUTES": "60",
    "BOX_CPU_PERCENT": "5.0",
    "NOTEBOOK_HOURS": "12",
    "ENDPOINT_NAME": "whippet-test-realtime",
    "ENDPOINT_IDLE_DAYS": "7",
    "STOPPED_DAYS": "7",
}


def ago(**span):
    return NOW - timedelta(**span)


def box(since, running=True, volumes=()):
    return Box("i-1", "t3.xlarge", running, since, tuple(volumes))


@dataclass
class StubAccount:
    boxes_: list[Box] = field(default_factory=list)
    worked: datetime | None = None
    notebooks_: list[Notebook] = field(default_factory=list)
    endpoint_made: datetime | None = None
    asked: float = 0.0
    volumes_: list[Volume] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    broken: bool = False

    def boxes(self):
        return iter(self.boxes_)

    def last_work(self, _box, _above_percent, _now):
        return self.worked

    def notebooks(self):
        if self.broken:
            raise PermissionError("not today")
        return iter(self.notebooks_)

    def endpoint_since(self, _name):
        return self.endpoint_made

    def requests(self, _endpoint, _since, _now):
        return self.asked

    def volumes(self, _of_boxes):
        return iter(self.volumes_)

    def stop_box(self, found):
        self.stopped.append(found.id)

    def stop_notebook(self, notebook):
        self.stopped.append(notebook.name)
