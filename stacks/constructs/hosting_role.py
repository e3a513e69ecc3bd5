"""The role that SageMaker hosts the model with: pull one image, read one model, write what it must."""

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import CAPTURE_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.model_data import ModelData
from stacks.constructs.serving_image import ServingImage

METRICS_NAMESPACE = "/aws/sagemaker/Endpoints"


class HostingRole(iam.Role):
    """Its policy is inline, since SageMaker may read it before a policy resource of its own would exist."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        endpoint_name: str,
        image: ServingImage,
        model: ModelData,
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
        statements = [
            iam.PolicyStatement(sid="ReadModel", actions=["s3:GetObject"], resources=[model.object_arn]),
            *_pull_statements(image),
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
        key_actions = [*(["kms:Decrypt"] if model.needs_key else []), *(["kms:GenerateDataKey"] if captures else [])]
        if key_actions:
            statements.append(
                iam.PolicyStatement(
                    sid="UseKey",
                    actions=key_actions,
                    resources=[key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"s3.{stack.region}.{Aws.URL_SUFFIX}"}},
                )
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
        if captures:
            exported = Stack.of(bucket).export_value(bucket.bucket_arn)
            reason = "SageMaker names the captured objects; the prefix is theirs alone"
            acknowledge_wildcard(self, f"{exported}/{CAPTURE_PREFIX}/*", reason)


def _pull_statements(image: ServingImage) -> list[iam.PolicyStatement]:
    if image.repository_arn is None:
        return []
    return [
        iam.PolicyStatement(sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]),  # knows no resource
        iam.PolicyStatement(
            sid="PullImage",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[image.repository_arn],
        ),
    ]
