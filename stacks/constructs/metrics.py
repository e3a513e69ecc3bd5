"""The metrics that AWS publishes about what the stage runs, each with the unit that it is published in.

A wrong unit or dimension is no error on AWS: the alarm just never rings. `tests/stacks/published_metrics.py` holds each
of these against the pages that document them.
"""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from config.names import ALIAS, VARIANT

MINUTE = Duration.minutes(1)
Unit = cloudwatch.Unit


@dataclass(frozen=True)
class Source:
    """Metrics of one namespace under one set of dimensions."""

    namespace: str
    dimensions: dict[str, str]

    def metric(
        self,
        name: str,
        statistic: str,
        unit: cloudwatch.Unit | None,
        *,
        period: Duration = MINUTE,
        label: str | None = None,
    ) -> cloudwatch.Metric:
        """`unit` is None where AWS publishes none."""
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map=self.dimensions,
            statistic=statistic,
            period=period,
            unit=unit,
            label=label,
        )


class EndpointMetrics:
    """Requests are published under AWS/SageMaker, instances under /aws/sagemaker/Endpoints, queues by endpoint only."""

    def __init__(self, endpoint_name: str, variant_name: str = VARIANT) -> None:
        variant = {"EndpointName": endpoint_name, "VariantName": variant_name}
        self._requests = Source("AWS/SageMaker", variant)
        self._instances = Source("/aws/sagemaker/Endpoints", variant)
        self._queue = Source("AWS/SageMaker", {"EndpointName": endpoint_name})

    def invocations(self, period: Duration = MINUTE) -> cloudwatch.Metric:
        return self._requests.metric("Invocations", "Sum", None, period=period, label="requests")

    def invocations_per_instance(self) -> cloudwatch.Metric:
        return self._requests.metric("InvocationsPerInstance", "Sum", None, label="requests an instance")

    def client_errors(self) -> cloudwatch.Metric:
        return self._requests.metric("Invocation4XXErrors", "Sum", None, label="refused (4xx)")

    def server_errors(self) -> cloudwatch.Metric:
        return self._requests.metric("Invocation5XXErrors", "Sum", None, label="failed (5xx)")

    def answered(self) -> cloudwatch.Metric:
        """An asynchronous endpoint publishes no Invocations; each answer of its model leaves a latency."""
        return self._requests.metric("ModelLatency", "SampleCount", Unit.MICROSECONDS, label="answers")

    def model_latency(self, statistic: str) -> cloudwatch.Metric:
        return self._requests.metric("ModelLatency", statistic, Unit.MICROSECONDS)

    def overhead_latency(self, statistic: str) -> cloudwatch.Metric:
        return self._requests.metric("OverheadLatency", statistic, Unit.MICROSECONDS)

    def cpu(self) -> cloudwatch.Metric:
        """Of all cores together: two busy ones are 200."""
        return self._instances.metric("CPUUtilization", "Average", Unit.PERCENT, label="processor, % of one core")

    def memory(self) -> cloudwatch.Metric:
        return self._instances.metric("MemoryUtilization", "Maximum", Unit.PERCENT, label="memory, %")

    def backlog(self) -> cloudwatch.Metric:
        return self._queue.metric("ApproximateBacklogSize", "Maximum", Unit.COUNT, label="waiting")

    def backlog_age(self) -> cloudwatch.Metric:
        return self._queue.metric("ApproximateAgeOfOldestRequest", "Maximum", Unit.SECONDS, label="oldest, s")


class ApiMetrics:
    """An HTTP API's; a REST API publishes under other names."""

    def __init__(self, api_id: str) -> None:
        self._api = Source("AWS/ApiGateway", {"ApiId": api_id})

    def requests(self) -> cloudwatch.Metric:
        return self._api.metric("Count", "Sum", Unit.COUNT, label="requests")

    def client_errors(self) -> cloudwatch.Metric:
        return self._api.metric("4xx", "Sum", Unit.COUNT, label="refused (4xx)")

    def server_errors(self) -> cloudwatch.Metric:
        return self._api.metric("5xx", "Sum", Unit.COUNT, label="failed (5xx)")

    def latency(self, statistic: str) -> cloudwatch.Metric:
        return self._api.metric("Latency", statistic, Unit.MILLISECONDS, label=f"whole, {statistic}")

    def integration_latency(self, statistic: str) -> cloudwatch.Metric:
        return self._api.metric("IntegrationLatency", statistic, Unit.MILLISECONDS, label=f"function, {statistic}")


class FunctionMetrics:
    """Calls under the function's name; what concerns warm environments under the alias that they belong to."""

    def __init__(self, function_name: str) -> None:
        self._function = Source("AWS/Lambda", {"FunctionName": function_name})
        self._alias = Source("AWS/Lambda", {"FunctionName": function_name, "Resource": f"{function_name}:{ALIAS}"})

    def invocations(self, period: Duration = MINUTE) -> cloudwatch.Metric:
        return self._function.metric("Invocations", "Sum", Unit.COUNT, period=period, label="calls")

    def errors(self, period: Duration = MINUTE) -> cloudwatch.Metric:
        return self._function.metric("Errors", "Sum", Unit.COUNT, period=period, label="failed")

    def throttles(self) -> cloudwatch.Metric:
        return self._function.metric("Throttles", "Sum", Unit.COUNT, label="turned away")

    def duration(self, statistic: str) -> cloudwatch.Metric:
        return self._function.metric("Duration", statistic, Unit.MILLISECONDS, label=statistic)

    def concurrency(self) -> cloudwatch.Metric:
        return self._function.metric("ConcurrentExecutions", "Maximum", Unit.COUNT, label="at once")

    def warm_share(self) -> cloudwatch.Metric:
        return self._alias.metric("ProvisionedConcurrencyUtilization", "Maximum", None, label="warm ones in use, share")

    def spilled(self) -> cloudwatch.Metric:
        return self._alias.metric(
            "ProvisionedConcurrencySpilloverInvocations", "Sum", Unit.COUNT, label="beyond the warm ones"
        )


class BucketMetrics:
    """Published once a day, free of charge."""

    def __init__(self, bucket_name: str) -> None:
        self._size = Source("AWS/S3", {"BucketName": bucket_name, "StorageType": "StandardStorage"})
        self._count = Source("AWS/S3", {"BucketName": bucket_name, "StorageType": "AllStorageTypes"})

    def size(self) -> cloudwatch.Metric:
        return self._size.metric("BucketSizeBytes", "Average", Unit.BYTES, period=Duration.days(1), label="bytes")

    def objects(self) -> cloudwatch.Metric:
        return self._count.metric("NumberOfObjects", "Average", Unit.COUNT, period=Duration.days(1), label="objects")


class PipelineMetrics:
    """The namespace writes Sagemaker with a small m, unlike every other."""

    def __init__(self, pipeline_name: str) -> None:
        self._pipeline = Source("AWS/Sagemaker/ModelBuildingPipeline", {"PipelineName": pipeline_name})

    def executions(self, outcome: str) -> cloudwatch.Metric:
        """`outcome` is Started, Succeeded, Failed or Stopped."""
        return self._pipeline.metric(f"Execution{outcome}", "Sum", Unit.COUNT, label=outcome.lower())


def in_milliseconds(metric: cloudwatch.Metric, id: str, label: str) -> cloudwatch.MathExpression:
    """SageMaker publishes microseconds, which nobody reads. The id is the metric's own within its graph."""
    return cloudwatch.MathExpression(expression=f"{id} / 1000", using_metrics={id: metric}, label=label, period=MINUTE)
