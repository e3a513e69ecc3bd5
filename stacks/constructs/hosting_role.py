"""The role that SageMaker hosts with: pull from one repository, read models, write what it must."""

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import CAPTURE_PREFIX, MODELS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.serving_image import ServingImage
from stacks.constructs.tar_asset import TarAsset

METRICS_NAMESPACE = "/aws/sagemaker/Endpoints"


class HostingRole(iam.Role):
    """Its policy is inline, since SageMaker may use the role before a policy resource of its own would exist.

    It may read every model that could be served, not only the present one: during an update the old fleet must still be
    able to replace an instance, and a grant made in the same update may reach S3 too late for the new one.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        endpoint_name: str,
        image: ServingImage,
        starter: TarAsset,
        bucket: s3.IBucket,
        key: kms.IKey,
        captures: bool,
    ) -> None:
        stack = Stack.of(scope)
        log_group = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        models = bucket.arn_for_objects(f"{MODELS_PREFIX}/*")
        statements = [
            iam.PolicyStatement(sid="ReadModel", actions=["s3:GetObject"], resources=[starter.object_arn, models]),
            iam.PolicyStatement(
                sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]
            ),  # knows no resource
            iam.PolicyStatement(
                sid="PullImage",
                actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                resources=[image.repository_arn],
            ),
            iam.PolicyStatement(
                sid="WriteLog",
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log_group, f"{log_group}:*"],
            ),
            iam.PolicyStatement(
                sid="PublishMetrics",
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],  # knows no resource; the condition names the only namespace
                conditions={"StringEquals": {"cloudwatch:namespace": METRICS_NAMESPACE}},
            ),
        ]
        if captures:
            prefix = bucket.arn_for_objects(f"{CAPTURE_PREFIX}/*")
            statements.append(iam.PolicyStatement(sid="WriteCaptures", actions=["s3:PutObject"], resources=[prefix]))
        # S3 asks for Decrypt to read a model and, beside GenerateDataKey, to finish a capture written in parts.
        actions = ["kms:Decrypt", "kms:GenerateDataKey"] if captures else ["kms:Decrypt"]
        through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{stack.region}.{Aws.URL_SUFFIX}"}}
        statements.append(
            iam.PolicyStatement(sid="UseKey", actions=actions, resources=[key.key_arn], conditions=through_s3)
        )
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    # Hosting names no narrower source than the account's SageMaker.
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(
                            service="sagemaker", resource="*", arn_format=ArnFormat.NO_RESOURCE_NAME
                        )
                    },
                },
            ),
            inline_policies={"Hosting": iam.PolicyDocument(statements=statements)},
        )
        acknowledge_wildcard(
            self,
            "*",
            "ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resource: the one is bounded by the "
            "statement on the repository, the other by its namespace",
        )
        acknowledge_wildcard(self, f"{log_group}:*", "SageMaker names the log streams; the group is this endpoint's")
        exported = Stack.of(bucket).export_value(bucket.bucket_arn)
        acknowledge_wildcard(
            self, f"{exported}/{MODELS_PREFIX}/*", "Any model may become the served one, or has been it"
        )
        if captures:
            reason = "SageMaker names the captured objects; the prefix is theirs alone"
            acknowledge_wildcard(self, f"{exported}/{CAPTURE_PREFIX}/*", reason)
