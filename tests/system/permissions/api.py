"""The predict function's role."""

from tests.system.permissions.calls import (
    Call,
    allow,
    get_object,
    invoke,
    list_objects,
    may_not_log,
    may_not_make_a_model,
    may_not_read,
    may_not_read_the_model,
    may_not_use_the_key,
    may_not_write,
    put_log,
    put_object,
)

PREDICT = "PredictFunctionPartsRole"

SUCCEEDS = [
    Call(PREDICT, "invokes its endpoint", lambda s, d: invoke(s, d.endpoint, d)),
    Call(PREDICT, "lets an upload in", lambda s, d: put_object(s, d, "uploads/seed")),
    Call(PREDICT, "reads an upload", lambda s, d: get_object(s, d.bucket, "uploads/seed")),
    Call(PREDICT, "writes its log", lambda s, d: put_log(s, d.function_log)),
]

DENIALS = [
    Call(
        PREDICT,
        "invokes another endpoint",
        lambda s, d: invoke(s, d.other_endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.other_endpoint}"))],
    ),
    Call(
        PREDICT,
        "describes its endpoint",
        lambda s, d: s.client("sagemaker").describe_endpoint(EndpointName=d.endpoint),
        lambda d: [allow("sagemaker:DescribeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    ),
    Call(
        PREDICT,
        "deletes an endpoint",
        lambda s, d: s.client("sagemaker").delete_endpoint(EndpointName=d.doomed_endpoint),
        lambda d: [allow("sagemaker:DeleteEndpoint", d.arn("sagemaker", f"endpoint/{d.doomed_endpoint}"))],
    ),
    may_not_read_the_model(PREDICT),
    may_not_read(PREDICT, "reads a capture", "capture/seed"),
    may_not_write(PREDICT, "writes data", "dataset/matrix"),
    Call(
        PREDICT,
        "looks for uploads",
        lambda s, d: list_objects(s, d, "uploads/"),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    may_not_use_the_key(PREDICT),
    may_not_log(PREDICT, "endpoint_log"),
    may_not_make_a_model(PREDICT),
]
