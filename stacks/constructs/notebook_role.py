"""What a notebook may do by itself: read data and models, bring data, and stop itself."""

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import DATASET_PREFIX, MODELS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard

LOG_GROUP = "/aws/sagemaker/NotebookInstances"


class NotebookRole(iam.Role):
    """Whoever opens the notebook has it."""

    def __init__(self, scope: Construct, id: str, *, tags: dict[str, str], bucket: s3.IBucket, key: kms.IKey) -> None:
        stack = Stack.of(scope)
        # Made before the notebook, whose name is generated: its tags tell this stage's from others.
        notebooks = stack.format_arn(service="sagemaker", resource="notebook-instance", resource_name="*")
        log_group = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=LOG_GROUP,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        dataset = bucket.arn_for_objects(f"{DATASET_PREFIX}/*")
        models = bucket.arn_for_objects(f"{MODELS_PREFIX}/*")
        statements = [
            iam.PolicyStatement(
                sid="StopItself",
                actions=["sagemaker:StopNotebookInstance"],
                resources=[notebooks],
                conditions={"StringEquals": {f"aws:ResourceTag/{name}": value for name, value in tags.items()}},
            ),
            iam.PolicyStatement(
                sid="WriteLog",
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log_group, f"{log_group}:*"],
            ),
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
            iam.PolicyStatement(
                sid="UseKey",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{stack.region}.{Aws.URL_SUFFIX}"}},
            ),
        ]
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": notebooks},
                },
            ),
            inline_policies={"Notebook": iam.PolicyDocument(statements=statements)},
        )
        bucket_arn = Stack.of(bucket).export_value(bucket.bucket_arn)
        for resource, reason in {
            notebooks: "The notebook's name is generated after its role; the condition names this stage's tags",
            f"{log_group}:*": "SageMaker names the log streams",
            f"{bucket_arn}/{DATASET_PREFIX}/*": "Data sets are whatever people upload below their prefix",
            f"{bucket_arn}/{MODELS_PREFIX}/*": "Any model may be looked at",
        }.items():
            acknowledge_wildcard(self, resource, reason)
