"""What AWS publishes, written by hand from the pages that say so: namespace, metric, dimensions, unit, statistics.

A metric under another dimension, or an alarm in another unit, is no error on AWS; it just never gets a reading.
"""

from dataclasses import dataclass

SAGEMAKER = "https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html"
ASYNC = "https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html"
HTTP_API = "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html"
API_UNITS = "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
LAMBDA_CONCURRENCY = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html"
S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html"
EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html"

VARIANT = frozenset({"EndpointName", "VariantName"})
ENDPOINT = frozenset({"EndpointName"})
SUM, RATE = frozenset({"Sum"}), frozenset({"Average", "Sum"})
# Percentiles come with every metric of single readings, none of them negative.
MEASURED = frozenset({"Average", "Sum", "Minimum", "Maximum", "SampleCount", "p50", "p90", "p99"})
LEVEL = frozenset({"Average", "Minimum", "Maximum"})


@dataclass(frozen=True)
class Row:
    dimensions: frozenset[str]
    unit: str | None
    """None where AWS publishes it without one."""
    statistics: frozenset[str]
    page: str
    not_for: frozenset[str] = frozenset()
    """Kinds of endpoint that do not publish it."""


NO_ASYNC, NO_INSTANCES = frozenset({"async"}), frozenset({"serverless"})
PUBLISHED = {
    ("AWS/SageMaker", "Invocations"): Row(VARIANT, None, SUM, SAGEMAKER, NO_ASYNC),
    ("AWS/SageMaker", "InvocationsPerInstance"): Row(VARIANT, None, SUM, SAGEMAKER, NO_ASYNC | NO_INSTANCES),
    ("AWS/SageMaker", "Invocation4XXErrors"): Row(VARIANT, None, RATE, SAGEMAKER),
    ("AWS/SageMaker", "Invocation5XXErrors"): Row(VARIANT, None, RATE, SAGEMAKER),
    ("AWS/SageMaker", "ModelLatency"): Row(VARIANT, "Microseconds", MEASURED, SAGEMAKER),
    ("AWS/SageMaker", "OverheadLatency"): Row(VARIANT, "Microseconds", MEASURED, SAGEMAKER, NO_ASYNC),
    ("AWS/SageMaker", "ApproximateBacklogSize"): Row(
        ENDPOINT, "Count", LEVEL, ASYNC, frozenset({"realtime", "serverless"})
    ),
    ("AWS/SageMaker", "ApproximateBacklogSizePerInstance"): Row(
        ENDPOINT, "Count", LEVEL, ASYNC, frozenset({"realtime", "serverless"})
    ),
    ("AWS/SageMaker", "ApproximateAgeOfOldestRequest"): Row(
        ENDPOINT, "Seconds", LEVEL, ASYNC, frozenset({"realtime", "serverless"})
    ),
    ("AWS/SageMaker", "HasBacklogWithoutCapacity"): Row(
        ENDPOINT, "Count", frozenset({"Average"}), ASYNC, frozenset({"realtime", "serverless"})
    ),
    ("/aws/sagemaker/Endpoints", "CPUUtilization"): Row(VARIANT, "Percent", MEASURED, SAGEMAKER, NO_INSTANCES),
    ("/aws/sagemaker/Endpoints", "MemoryUtilization"): Row(VARIANT, "Percent", MEASURED, SAGEMAKER, NO_INSTANCES),
    ("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionStarted"): Row(
        frozenset({"PipelineName"}), "Count", RATE, SAGEMAKER
    ),
    ("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionSucceeded"): Row(
        frozenset({"PipelineName"}), "Count", RATE, SAGEMAKER
    ),
    ("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed"): Row(
        frozenset({"PipelineName"}), "Count", RATE, SAGEMAKER
    ),
    # The page of HTTP APIs names the metrics and no units; they are those of the same metrics of REST APIs.
    ("AWS/ApiGateway", "Count"): Row(frozenset({"ApiId"}), "Count", RATE, HTTP_API),
    ("AWS/ApiGateway", "4xx"): Row(frozenset({"ApiId"}), "Count", RATE, HTTP_API),
    ("AWS/ApiGateway", "5xx"): Row(frozenset({"ApiId"}), "Count", RATE, HTTP_API),
    ("AWS/ApiGateway", "Latency"): Row(frozenset({"ApiId"}), "Milliseconds", MEASURED, API_UNITS),
    ("AWS/ApiGateway", "IntegrationLatency"): Row(frozenset({"ApiId"}), "Milliseconds", MEASURED, API_UNITS),
    ("AWS/Lambda", "Invocations"): Row(frozenset({"FunctionName"}), "Count", SUM, LAMBDA),
    ("AWS/Lambda", "Errors"): Row(frozenset({"FunctionName"}), "Count", SUM, LAMBDA),
    ("AWS/Lambda", "Throttles"): Row(frozenset({"FunctionName"}), "Count", SUM, LAMBDA),
    ("AWS/Lambda", "Duration"): Row(frozenset({"FunctionName"}), "Milliseconds", MEASURED, LAMBDA),
    ("AWS/Lambda", "ConcurrentExecutions"): Row(frozenset({"FunctionName"}), "Count", frozenset({"Maximum"}), LAMBDA),
    ("AWS/Lambda", "ProvisionedConcurrencyUtilization"): Row(
        frozenset({"FunctionName", "Resource"}), None, frozenset({"Maximum"}), LAMBDA_CONCURRENCY
    ),
    ("AWS/Lambda", "ProvisionedConcurrencySpilloverInvocations"): Row(
        frozenset({"FunctionName", "Resource"}), "Count", SUM, LAMBDA_CONCURRENCY
    ),
    ("AWS/S3", "BucketSizeBytes"): Row(frozenset({"BucketName", "StorageType"}), "Bytes", frozenset({"Average"}), S3),
    ("AWS/S3", "NumberOfObjects"): Row(frozenset({"BucketName", "StorageType"}), "Count", frozenset({"Average"}), S3),
    ("AWS/EC2", "CPUUtilization"): Row(frozenset({"InstanceId"}), "Percent", MEASURED, EC2),
}
