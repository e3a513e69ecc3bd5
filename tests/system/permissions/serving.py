"""The roles of the endpoint and of transform jobs."""

from tests.system.permissions.calls import (
    HOSTING_ROLE,
    STAR,
    Call,
    allow,
    get_object,
    list_objects,
    make_and_put_log,
    may_not_invoke,
    may_not_list,
    may_not_log,
    may_not_read,
    may_not_read_another_asset,
    may_not_use_the_key,
    may_not_write,
    object_arn,
    pull,
    put_metric,
    put_object,
)

HOSTING, BATCH = HOSTING_ROLE, "BatchRole"
TRANSFORM_LOG = "/aws/sagemaker/TransformJobs"

SUCCEEDS = [
    Call(HOSTING, "reads its model", lambda s, d: get_object(s, *d.model)),
    Call(HOSTING, "reads a promoted model", lambda s, d: get_object(s, d.bucket, "models/seed")),
    Call(HOSTING, "writes a capture", lambda s, d: put_object(s, d, "capture/matrix")),
    Call(HOSTING, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(HOSTING, "pulls its image", lambda s, d: pull(s, d.repository)),
    Call(HOSTING, "writes the endpoint's log", lambda s, d: make_and_put_log(s, d.endpoint_log)),
    Call(HOSTING, "publishes its metrics", lambda s, d: put_metric(s, "/aws/sagemaker/Endpoints")),
    Call(BATCH, "reads its model", lambda s, d: get_object(s, *d.model)),
    Call(BATCH, "reads a promoted model", lambda s, d: get_object(s, d.bucket, "models/seed")),
    Call(BATCH, "finds a batch", lambda s, d: list_objects(s, d, "batch/input/")),
    Call(BATCH, "reads a batch", lambda s, d: get_object(s, d.bucket, "batch/input/seed")),
    Call(BATCH, "writes a result", lambda s, d: put_object(s, d, "batch/output/matrix")),
    Call(BATCH, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(BATCH, "pulls its image", lambda s, d: pull(s, d.repository)),
    Call(BATCH, "writes the jobs' log", lambda s, d: make_and_put_log(s, TRANSFORM_LOG)),
    Call(BATCH, "publishes its metrics", lambda s, d: put_metric(s, TRANSFORM_LOG)),
]

DENIALS = [
    Call(
        BATCH,
        "looks through the models",
        lambda s, d: list_objects(s, d, "models/"),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    ),
    may_not_read(BATCH, "reads a capture", "capture/seed"),
    may_not_write(BATCH, "changes its batch", "batch/input/matrix"),
    may_not_invoke(BATCH),
    may_not_use_the_key(BATCH),
    may_not_read(HOSTING, "reads a batch", "batch/input/seed"),
    may_not_read_another_asset(HOSTING),
    may_not_read(HOSTING, "reads a capture", "capture/seed"),
    may_not_write(HOSTING, "writes a model", "models/matrix"),
    Call(
        HOSTING,
        "deletes a capture",
        lambda s, d: s.client("s3").delete_object(Bucket=d.bucket, Key="capture/doomed"),
        lambda d: [allow("s3:DeleteObject", object_arn(d.bucket, "capture/doomed"))],
    ),
    may_not_list(HOSTING),
    may_not_use_the_key(HOSTING),
    Call(
        HOSTING,
        "publishes other metrics",
        lambda s, d: put_metric(s, "Elsewhere"),
        lambda d: [
            allow("cloudwatch:PutMetricData", STAR, Condition={"StringEquals": {"cloudwatch:namespace": "Elsewhere"}})
        ],
    ),
    may_not_log(HOSTING, "function_log"),
    Call(
        HOSTING,
        "pulls another image",
        lambda s, d: pull(s, d.other_repository),
        lambda d: [allow("ecr:BatchGetImage", d.arn("ecr", f"repository/{d.other_repository}"))],
    ),
    may_not_invoke(HOSTING),
]
