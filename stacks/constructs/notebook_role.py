"""What a notebook may do by itself: read data and models, bring data, and stop itself."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import DATASET_PREFIX, MODELS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import log_group_arn, objects, sagemaker_for, use_key, write_log

LOG_GROUP = "/aws/sagemaker/NotebookInstances"


class NotebookRole(iam.Role):
    """Whoever opens the notebook has it."""

    def __init__(self, scope: Construct, id: str, *, tags: dict[str, str], bucket: s3.IBucket, key: kms.IKey) -> None:
        stack = Stack.of(scope)
        # Made before the notebook, whose name is generated: its tags tell this stage's from others.
        notebooks = stack.format_arn(service="sagemaker", resource="notebook-instance", resource_name="*")
        log_group = log_group_arn(scope, LOG_GROUP)
        dataset = bucket.arn_for_objects(f"{DATASET_PREFIX}/*")
        models = bucket.arn_for_objects(f"{MODELS_PREFIX}/*")
        statements = [
            iam.PolicyStatement(
                sid="StopItself",
                actions=["sagemaker:StopNotebookInstance"],
                resources=[notebooks],
                conditions={"StringEquals": {f"aws:ResourceTag/{name}": value for name, value in tags.items()}},
            ),
            write_log(log_group),
            iam.PolicyStatement(
                sid="ListBucket",
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{DATASET_PREFIX}/*", f"{MODELS_PREFIX}/*"]}},
            ),
            iam.PolicyStatement(sid="ReadDataAndModels", actions=["s3:GetObject"], resources=[dataset, models]),
            iam.PolicyStatement(
                sid="BringData", actions=["s3:AbortMultipartUpload", "s3:PutObject"], resources=[dataset]
            ),
            use_key(scope, key),
        ]
        super().__init__(
            scope,
            id,
            assumed_by=sagemaker_for(scope, notebooks),
            inline_policies={"Notebook": iam.PolicyDocument(statements=statements)},
        )
        for resource, reason in {
            notebooks: "The notebook's name is generated after its role; the condition names this stage's tags",
            f"{log_group}:*": "SageMaker names the log streams",
            objects(bucket, DATASET_PREFIX): "Data sets are whatever people upload below their prefix",
            objects(bucket, MODELS_PREFIX): "Any model may be looked at",
        }.items():
            acknowledge_wildcard(self, resource, reason)
