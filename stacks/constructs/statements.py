"""IAM statements that several roles carry, each written once, and whom SageMaker's roles trust."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

SAGEMAKER = "sagemaker.amazonaws.com"
READ_AND_WRITE = ("kms:Decrypt", "kms:GenerateDataKey")
"""S3 asks for Decrypt to read and, beside GenerateDataKey, to finish an upload in parts."""


def use_key(
    scope: IConstruct,
    key: kms.IKey,
    actions: Sequence[str] = READ_AND_WRITE,
    *,
    services: Sequence[str] = ("s3",),
    sid: str = "UseKey",
) -> iam.PolicyStatement:
    """The key through these services only, never by itself."""
    through = [f"{service}.{Stack.of(scope).region}.{Aws.URL_SUFFIX}" for service in services]
    return iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": through[0] if len(through) == 1 else through}},
    )


def log_in() -> iam.PolicyStatement:
    """Knows no resource."""
    return iam.PolicyStatement(sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"])


def pull_images(repositories: Sequence[str]) -> list[iam.PolicyStatement]:
    return [
        log_in(),
        iam.PolicyStatement(
            sid="PullImage",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=list(repositories),
        ),
    ]


def write_log(log_group: str) -> iam.PolicyStatement:
    """A log group that SageMaker makes and names the streams of."""
    return iam.PolicyStatement(
        sid="WriteLog",
        actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        resources=[log_group, f"{log_group}:*"],
    )


def publish_metrics(namespace: str) -> iam.PolicyStatement:
    """Knows no resource; the condition names the only namespace."""
    return iam.PolicyStatement(
        sid="PublishMetrics",
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
    )


def sagemaker_for(scope: IConstruct, *sources: str) -> iam.ServicePrincipal:
    """SageMaker, on behalf of these resources of this account alone."""
    return iam.ServicePrincipal(
        SAGEMAKER,
        conditions={
            "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
            "ArnLike": {"aws:SourceArn": sources[0] if len(sources) == 1 else list(sources)},
        },
    )


def pass_to_sagemaker(sid: str, roles: Sequence[iam.IRole]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        actions=["iam:PassRole"],
        resources=[role.role_arn for role in roles],
        conditions={"StringEquals": {"iam:PassedToService": SAGEMAKER}},
    )


def log_group_arn(scope: IConstruct, name: str) -> str:
    return Stack.of(scope).format_arn(
        service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )


def objects(bucket: s3.IBucket, prefix: str) -> str:
    """All objects below a prefix, as a finding names them where the bucket is another stack's."""
    return f"{Stack.of(bucket).export_value(bucket.bucket_arn)}/{prefix}/*"
