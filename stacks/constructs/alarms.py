"""Alarms: what each watches, from where on it rings, in which unit, and what it makes of silence."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from config.sections.operations import Alarms
from stacks.constructs.metrics import MINUTE, ApiMetrics, EndpointMetrics, FunctionMetrics

Missing = cloudwatch.TreatMissingData
PERCENT = "Percent"


@dataclass(frozen=True)
class Patience:
    """Of so many minutes, how many must be bad."""

    bad: int
    minutes: int


# Three of five: one bad minute rings nobody, and a bad one after a good one does not start over.
SOON = Patience(3, 5)
LATER = Patience(10, 15)
AT_ONCE = Patience(1, 1)


class NewsAlarms(Construct):
    """Each tells the topic when it rings and when it is over. A metric that says nothing, says that nothing came in."""

    def __init__(self, scope: Construct, id: str, *, config: Alarms, topic: sns.ITopic) -> None:
        super().__init__(scope, id)
        self._config = config
        self._action = actions.SnsAction(topic)

    def watch_requests(self, endpoint: EndpointMetrics, requests: cloudwatch.Metric, variant: str) -> None:
        """What every kind of endpoint publishes; `requests` is how this kind counts them. `variant` ends the id."""
        self.add(
            f"ModelSlow{variant}",
            endpoint.model_latency("p99"),
            above=self._config.latency_p99_ms * 1000,
            unit=f"Microseconds ({self._config.latency_p99_ms} ms)",
            says="The slowest percent of the model's answers takes more than {limit}",
        )
        self.add(
            f"EndpointErrors{variant}",
            self._percent(endpoint.server_errors(), requests),
            above=self._config.error_percent,
            unit=PERCENT,
            says="More than {limit} of the endpoint's requests fail with 5xx; its log says why",
        )

    def watch_instances(self, endpoint: EndpointMetrics, variant: str) -> None:
        self.add(
            f"MemoryFull{variant}",
            endpoint.memory(),
            above=self._config.memory_percent,
            unit=PERCENT,
            says="An instance of the endpoint uses more than {limit} of its memory; out of it, the model is killed",
            patience=LATER,
        )

    def watch_queue(self, endpoint: EndpointMetrics) -> None:
        self.add(
            "BacklogLong",
            endpoint.backlog(),
            above=self._config.backlog_requests,
            unit="Count",
            says="Requests waiting at the endpoint: more than {limit}",
            patience=LATER,
        )
        self.add(
            "BacklogOld",
            endpoint.backlog_age(),
            above=self._config.backlog_age_seconds,
            unit="Seconds",
            says="The oldest request at the endpoint has waited more than {limit}; perhaps no instance starts",
        )

    def watch_api(self, api: ApiMetrics) -> None:
        self.add(
            "ApiErrors",
            self._percent(api.server_errors(), api.requests()),
            above=self._config.error_percent,
            unit=PERCENT,
            says="More than {limit} of the API's requests fail with 5xx; the function's log has a line for each",
        )

    def watch_function(self, function: FunctionMetrics) -> None:
        self.add(
            "FunctionErrors",
            self._percent(function.errors(), function.invocations()),
            above=self._config.error_percent,
            unit=PERCENT,
            says="More than {limit} of the predict function's calls crash or run out of time; refusals do not count",
        )
        self.add(
            "FunctionThrottled",
            function.throttles(),
            above=self._config.throttles_per_minute,
            unit="Count a minute",
            says="Calls that Lambda turns away for want of concurrency: more than {limit}",
        )

    def watch_sweep(self, function: FunctionMetrics) -> None:
        """A watchman that fails in silence is worse than none. Where nothing is published, nothing is below 1: that
        is told when the alarm runs out of data, which an alarm that is just made, and has none yet, does not do."""
        self._ring(
            "SweepFailed",
            function.errors(Duration.hours(1)),
            cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=0,
            says="The search for idle resources failed within the last hour (more than 0 Count); its log says why.",
        )
        self._ring(
            "SweepSilent",
            function.invocations(Duration.days(1)),
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            says="Nobody has looked for idle resources for a day (less than 1 Count).",
            missing=Missing.MISSING,
        ).add_insufficient_data_action(self._action)

    def add(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        *,
        above: float,
        unit: str,
        says: str,
        patience: Patience = SOON,
    ) -> None:
        """`says` is what rings, with {limit} where the threshold and its unit belong."""
        limit = f"{above:,.10g} {unit}"
        self._ring(
            id,
            metric,
            cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=above,
            says=f"{says.format(limit=limit)} ({patience.bad} of {patience.minutes} minutes).",
            patience=patience,
        )

    def _ring(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        comparison: cloudwatch.ComparisonOperator,
        *,
        threshold: float,
        says: str,
        patience: Patience = AT_ONCE,
        missing: cloudwatch.TreatMissingData = Missing.NOT_BREACHING,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            id,
            alarm_description=says,
            metric=metric,
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=patience.minutes,
            datapoints_to_alarm=patience.bad,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
        return alarm

    def _percent(self, errors: cloudwatch.Metric, requests: cloudwatch.Metric) -> cloudwatch.MathExpression:
        """A share, where there are enough requests to speak of one."""
        return cloudwatch.MathExpression(
            expression=f"IF(requests >= {self._config.error_min_requests}, 100 * errors / requests, 0)",
            using_metrics={"errors": errors, "requests": requests},
            label="failed, %",
            period=MINUTE,
        )
