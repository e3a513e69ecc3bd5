"""What a batch transform job needs: the served model under a role that reads batches and writes their results."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import BATCH_INPUT_PREFIX, BATCH_OUTPUT_PREFIX
from stacks.constructs.containers import Containers
from stacks.constructs.model_role import ModelRole
from stacks.constructs.statements import READ_AND_WRITE, log_group_arn, objects

LOG_GROUP = METRICS_NAMESPACE = "/aws/sagemaker/TransformJobs"


class BatchRole(ModelRole):
    """A job works as its model's role, so that batches have a model of their own beside the endpoint's."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        containers: Containers,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        reason = "Whoever starts a job names its batch; the prefix is theirs alone"
        super().__init__(
            scope,
            id,
            policy="Batch",
            log_group=log_group_arn(scope, LOG_GROUP),
            metrics_namespace=METRICS_NAMESPACE,
            containers=containers,
            bucket=bucket,
            key=key,
            key_actions=READ_AND_WRITE,
            statements=[
                iam.PolicyStatement(
                    sid="FindBatch",
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{BATCH_INPUT_PREFIX}/*"}},
                ),
                iam.PolicyStatement(
                    sid="ReadBatch",
                    actions=["s3:GetObject"],
                    resources=[bucket.arn_for_objects(f"{BATCH_INPUT_PREFIX}/*")],
                ),
                iam.PolicyStatement(
                    sid="WriteResults",
                    actions=["s3:PutObject"],
                    resources=[bucket.arn_for_objects(f"{BATCH_OUTPUT_PREFIX}/*")],
                ),
            ],
            wildcards={objects(bucket, prefix): reason for prefix in (BATCH_INPUT_PREFIX, BATCH_OUTPUT_PREFIX)},
        )
