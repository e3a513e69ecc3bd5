"""AWS/ApiGateway's metrics of an HTTP API, by API and by stage: MiniStack has none, so that alarms never saw one."""

from local.readings import Readings
from local.records import Scope

NAMESPACE = "AWS/ApiGateway"
CLIENT_ERROR, SERVER_ERROR = 400, 500


class ApiMetrics:
    def __init__(self, readings: Readings) -> None:
        self.readings = readings

    def publish(  # noqa: PLR0917 - one request
        self,
        place: Scope,
        api_id: str,
        stage: str,
        status: int,
        milliseconds: float,
        integration_milliseconds: float | None,
    ) -> None:
        """`integration_milliseconds` is None for a request that reached no integration."""
        readings = {
            "Count": ("Count", 1.0),
            "4xx": ("Count", float(CLIENT_ERROR <= status < SERVER_ERROR)),
            "5xx": ("Count", float(status >= SERVER_ERROR)),
            "Latency": ("Milliseconds", milliseconds),
        }
        if integration_milliseconds is not None:
            readings["IntegrationLatency"] = ("Milliseconds", integration_milliseconds)
        for dimensions in ({"ApiId": api_id}, {"ApiId": api_id, "Stage": stage}):
            for metric, (unit, value) in readings.items():
                self.readings.add(place, NAMESPACE, dimensions, metric, unit, value)
