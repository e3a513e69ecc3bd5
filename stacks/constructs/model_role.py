"""What every role that a model runs under may do: pull its images, read models, log, publish metrics."""

from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.buckets import MODELS_PREFIX
from stacks.constructs.containers import Containers
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import objects, publish_metrics, pull_images, sagemaker_for, use_key, write_log


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
        models = bucket.arn_for_objects(f"{MODELS_PREFIX}/*")
        # A model names no narrower source than the account's SageMaker.
        source = Stack.of(scope).format_arn(service="sagemaker", resource="*", arn_format=ArnFormat.NO_RESOURCE_NAME)
        super().__init__(
            scope,
            id,
            assumed_by=sagemaker_for(scope, source),
            inline_policies={
                policy: iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="ReadModel", actions=["s3:GetObject"], resources=[containers.starter.object_arn, models]
                        ),
                        *pull_images(containers.repositories),
                        write_log(log_group),
                        publish_metrics(metrics_namespace),
                        *statements,
                        *(containers.network.statements() if containers.network else []),
                        use_key(scope, key, key_actions, services=key_services),
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
