"""What every role that a model runs under may do: pull its images, read models, log, publish metrics."""

from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import MODELS_PREFIX
from stacks.constructs.containers import Containers
from stacks.constructs.findings import acknowledge_wildcard


class ModelRole(iam.Role):
    """Its policy is inline, since SageMaker may use the role before a policy resource of its own would exist.

    It may read every model that could be served, not only the present one: during an update the old fleet must still be
    able to replace an instance, and a grant made in the same update may reach S3 too late for the new one.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        policy: str,
        log_group: str,
        metrics_namespace: str,
        containers: Containers,
        bucket: s3.IBucket,
        key: kms.IKey,
        key_actions: Sequence[str],
        key_services: Sequence[str] = ("s3",),
        statements: Iterable[iam.PolicyStatement] = (),
        wildcards: Mapping[str, str],
    ) -> None:
        stack = Stack.of(scope)
        models = bucket.arn_for_objects(f"{MODELS_PREFIX}/*")
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    # A model names no narrower source than the account's SageMaker.
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(
                            service="sagemaker", resource="*", arn_format=ArnFormat.NO_RESOURCE_NAME
                        )
                    },
                },
            ),
            inline_policies={
                policy: iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="ReadModel", actions=["s3:GetObject"], resources=[containers.starter.object_arn, models]
                        ),
                        *_pull(containers.repositories),
                        *_report(log_group, metrics_namespace),
                        *statements,
                        *(containers.network.statements() if containers.network else []),
                        _use_key(stack, key, key_actions, key_services),
                    ]
                )
            },
        )
        own = {
            "*": "ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resource: the one is bounded by the "
            "statement on the repository, the other by its namespace; neither do EC2's Describe actions",
            f"{log_group}:*": "SageMaker names the log streams; the group is of these alone",
            objects(bucket, MODELS_PREFIX): "Any model may become the served one, or has been it",
        }
        plugs = containers.network.wildcards() if containers.network else {}
        for resource, reason in {**own, **plugs, **wildcards}.items():
            acknowledge_wildcard(self, resource, reason)


def objects(bucket: s3.IBucket, prefix: str) -> str:
    """All objects below a prefix, as a finding names them where the bucket is another stack's."""
    return f"{Stack.of(bucket).export_value(bucket.bucket_arn)}/{prefix}/*"


def log_group_arn(scope: Construct, name: str) -> str:
    return Stack.of(scope).format_arn(
        service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )


def _pull(repositories: Sequence[str]) -> list[iam.PolicyStatement]:
    return [
        # Knows no resource.
        iam.PolicyStatement(sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            sid="PullImage",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=list(repositories),
        ),
    ]


def _report(log_group: str, namespace: str) -> list[iam.PolicyStatement]:
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
            conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        ),
    ]


def _use_key(stack: Stack, key: kms.IKey, actions: Sequence[str], services: Sequence[str]) -> iam.PolicyStatement:
    through = [f"{service}.{stack.region}.{Aws.URL_SUFFIX}" for service in services]
    return iam.PolicyStatement(
        sid="UseKey",
        actions=list(actions),
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": through[0] if len(through) == 1 else through}},
    )
