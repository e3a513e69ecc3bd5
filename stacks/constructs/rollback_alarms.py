"""Alarms that take an update back: for each variant its share of 5xx answers and its slowest hundredth.

The predict function answers for a failing model instead of failing, so that Lambda's own error count stays at 0.
"""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from config.sections.rollout import RolloutAlarms

PERIOD_SECONDS = 60
MICROSECONDS_A_MILLISECOND = 1000


class RollbackAlarms(Construct):
    """They know the endpoint by its constant name, or endpoint, role and alarms would wait for each other."""

    def __init__(
        self, scope: Construct, id: str, *, config: RolloutAlarms, endpoint_name: str, variants: Sequence[str]
    ) -> None:
        super().__init__(scope, id)
        self._config = config
        self.alarms: list[cloudwatch.CfnAlarm] = []
        for variant in variants:
            place = Construct(self, "".join(part.capitalize() for part in variant.split("-")))
            dimensions = [
                cloudwatch.CfnAlarm.DimensionProperty(name="EndpointName", value=endpoint_name),
                cloudwatch.CfnAlarm.DimensionProperty(name="VariantName", value=variant),
            ]
            # Each request counts as 1 or 0, so that the average is the share.
            self._add(
                place, "Errors", "Invocation5XXErrors", dimensions, config.error_percent / 100, statistic="Average"
            )
            latency_us = config.latency_p99_ms * MICROSECONDS_A_MILLISECOND
            self._add(place, "Latency", "ModelLatency", dimensions, latency_us, extended_statistic="p99")

    @property
    def arns(self) -> list[str]:
        return [alarm.attr_arn for alarm in self.alarms]

    @property
    def names(self) -> list[str]:
        return [alarm.ref for alarm in self.alarms]

    def _add(
        self,
        scope: Construct,
        id: str,
        metric: str,
        dimensions: list[cloudwatch.CfnAlarm.DimensionProperty],
        threshold: float,
        *,
        statistic: str | None = None,
        extended_statistic: str | None = None,
    ) -> None:
        alarm = cloudwatch.CfnAlarm(
            scope,
            id,
            alarm_description="Takes an update of the endpoint back while it is under way",
            namespace="AWS/SageMaker",
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            extended_statistic=extended_statistic,
            period=PERIOD_SECONDS,
            evaluation_periods=self._config.minutes,
            datapoints_to_alarm=self._config.minutes,
            threshold=threshold,
            comparison_operator="GreaterThanThreshold",
            # An endpoint that nobody asks is not ill.
            treat_missing_data="notBreaching",
        )
        self.alarms.append(alarm)
