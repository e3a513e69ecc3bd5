"""One page of graphs: what comes in, how it is answered, how full things are."""

from collections.abc import Callable, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.constructs.metrics import (
    MINUTE,
    ApiMetrics,
    BucketMetrics,
    EndpointMetrics,
    FunctionMetrics,
    PipelineMetrics,
    in_milliseconds,
)

COLUMNS = 24
# A graph that is as wide as its row lets it be.
Graph = Callable[[int], cloudwatch.IWidget]


class StageDashboard(Construct):
    """A row each for the API, the function and the endpoint, as a request meets them; then one for the rest."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._page = cloudwatch.Dashboard(self, "Dashboard", default_interval=None)

    def show_api(self, api: ApiMetrics) -> None:
        self._row(
            _graph("API: requests", [api.requests()], unit="count a minute"),
            _graph("API: errors", [api.client_errors(), api.server_errors()], unit="count a minute"),
            _graph(
                "API: latency",
                [api.latency("p50"), api.latency("p99"), api.integration_latency("p99")],
                unit="ms",
            ),
        )

    def show_function(self, function: FunctionMetrics, *, warm: bool) -> None:
        self._row(
            _graph("Function: duration", [function.duration("p50"), function.duration("p99")], unit="ms"),
            _graph(
                "Function: calls",
                [function.invocations(), function.errors(), function.throttles()],
                unit="count a minute",
            ),
            _graph("Function: concurrency", [function.concurrency()], unit="calls at once"),
            *(
                [
                    _graph(
                        "Function: warm environments",
                        [function.warm_share()],
                        unit="share, 0 to 1",
                        right=[function.spilled()],
                        right_unit="count a minute",
                    )
                ]
                if warm
                else []
            ),
        )

    def show_requests(self, endpoint: EndpointMetrics, *, title: str, asynchronous: bool, instances: bool) -> None:
        counted = [endpoint.invocations(), *([endpoint.invocations_per_instance()] if instances else [])]
        load = (
            _graph(
                f"{title}: queue",
                [endpoint.backlog()],
                unit="requests",
                right=[endpoint.backlog_age()],
                right_unit="s",
            )
            if asynchronous
            else _graph(f"{title}: requests", counted, unit="count a minute")
        )
        latency = [
            in_milliseconds(endpoint.model_latency("p50"), "model50", "model, p50"),
            in_milliseconds(endpoint.model_latency("p99"), "model99", "model, p99"),
            # An asynchronous endpoint publishes none.
            *(
                []
                if asynchronous
                else [in_milliseconds(endpoint.overhead_latency("p99"), "own99", "SageMaker's own, p99")]
            ),
        ]
        self._row(
            load,
            _graph(f"{title}: latency", latency, unit="ms"),
            _graph(f"{title}: errors", [endpoint.client_errors(), endpoint.server_errors()], unit="count a minute"),
        )

    def show_instances(self, endpoint: EndpointMetrics, *, title: str, counted: bool) -> None:
        """SageMaker publishes no count of instances; where requests are counted both ways, it is their ratio."""
        count = cloudwatch.MathExpression(
            expression="requests / each",
            using_metrics={"requests": endpoint.invocations(), "each": endpoint.invocations_per_instance()},
            label="instances (while there are requests)",
            period=MINUTE,
        )
        self._row(
            _graph(f"{title}: processor", [endpoint.cpu()], unit="% of one core, summed"),
            _graph(f"{title}: memory", [endpoint.memory()], unit="%"),
            *([_graph(f"{title}: instances", [count], unit="instances")] if counted else []),
        )

    def show_training_and_bucket(self, pipeline: PipelineMetrics, bucket: BucketMetrics) -> None:
        outcomes = [pipeline.executions(outcome) for outcome in ("Started", "Succeeded", "Failed")]
        self._row(
            _graph("Training: pipeline runs", outcomes, unit="count a minute"),
            _graph("Bucket: size", [bucket.size()], unit="bytes"),
            _graph("Bucket: objects", [bucket.objects()], unit="count"),
        )

    def _row(self, *graphs: Graph) -> None:
        """Whatever a stage has not, its row has no hole for."""
        self._page.add_widgets(*(graph(COLUMNS // len(graphs)) for graph in graphs))


def _graph(
    title: str,
    left: Sequence[cloudwatch.IMetric],
    *,
    unit: str,
    right: Sequence[cloudwatch.IMetric] = (),
    right_unit: str = "",
) -> Graph:
    """The axis carries the unit in words; CloudWatch's own label would repeat the metric's name."""
    return lambda width: cloudwatch.GraphWidget(
        title=title,
        width=width,
        left=list(left),
        left_y_axis=cloudwatch.YAxisProps(label=unit, min=0, show_units=False),
        right=list(right),
        right_y_axis=cloudwatch.YAxisProps(label=right_unit, min=0, show_units=False) if right else None,
    )
