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
        # Hosting names no narrower source than the account's SageMaker.
        source = stack.format_arn(service="sagemaker", resource="*", arn_format=ArnFormat.NO_RESOURCE_NAME)
        log_group = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        statements = [
            iam.PolicyStatement(
                sid="ReadModel",
                actions=["s3:GetObject"],
                resources=[starter.object_arn, bucket.arn_for_objects(f"{MODELS_PREFIX}/*")],
            ),
            *_pull(image),
            *_report(log_group),
            *(_capture(bucket) if captures else []),
            _use_key(stack, key, writes=captures),
        ]
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": source},
                },
            ),
            inline_policies={"Hosting": iam.PolicyDocument(statements=statements)},
        )
        self._acknowledge(log_group, Stack.of(bucket).export_value(bucket.bucket_arn), captures)

    def _acknowledge(self, log_group: str, bucket_arn: str, captures: bool) -> None:
        wildcards = {
            "*": "ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resource: the one is bounded by the "
            "statement on the repository, the other by its namespace",
            f"{log_group}:*": "SageMaker names the log streams; the group is this endpoint's",
            f"{bucket_arn}/{MODELS_PREFIX}/*": "Any model may become the served one, or has been it",
        }
        if captures:
            wildcards[f"{bucket_arn}/{CAPTURE_PREFIX}/*"] = "SageMaker names the captures; the prefix is theirs alone"
        for resource, reason in wildcards.items():
            acknowledge_wildcard(self, resource, reason)


def _pull(image: ServingImage) -> list[iam.PolicyStatement]:
    return [
        # Knows no resource.
        iam.PolicyStatement(sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            sid="PullImage",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[image.repository_arn],
        ),
    ]


def _report(log_group: str) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="WriteLog",
            actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[log_group, f"{log_group}:*"],
        ),
        # Knows no resource; the condition names the only namespace.
        iam.PolicyStatement(
            sid="PublishMetrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS_NAMESPACE}},
        ),
    ]


def _capture(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    prefix = bucket.arn_for_objects(f"{CAPTURE_PREFIX}/*")
    return [iam.PolicyStatement(sid="WriteCaptures", actions=["s3:PutObject"], resources=[prefix])]


def _use_key(stack: Stack, key: kms.IKey, *, writes: bool) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="UseKey",
        # S3 asks for Decrypt to read a model and, beside GenerateDataKey, to finish a capture written in parts.
        actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"s3.{stack.region}.{Aws.URL_SUFFIX}"}},
    )
