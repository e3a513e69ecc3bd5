"""The role that SageMaker hosts with: what a model needs, and to write what its endpoint must."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.async_topics import AsyncTopics
from stacks.constructs.buckets import (
    ASYNC_FAILURE_PREFIX,
    ASYNC_INPUT_PREFIX,
    ASYNC_OUTPUT_PREFIX,
    CAPTURE_PREFIX,
)
from stacks.constructs.containers import Containers
from stacks.constructs.model_role import ModelRole
from stacks.constructs.statements import READ_AND_WRITE, log_group_arn, objects

METRICS_NAMESPACE = "/aws/sagemaker/Endpoints"


class HostingRole(ModelRole):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        endpoint_name: str,
        containers: Containers,
        bucket: s3.IBucket,
        key: kms.IKey,
        captures: bool,
        queues: bool,
        topics: AsyncTopics | None,
        alarm_arns: Sequence[str],
    ) -> None:
        statements: list[iam.PolicyStatement] = []
        wildcards: dict[str, str] = {}
        if captures:
            statements.append(_put("WriteCaptures", bucket, CAPTURE_PREFIX))
            wildcards[objects(bucket, CAPTURE_PREFIX)] = "SageMaker names the captures; the prefix is theirs alone"
        if queues:
            statements += _queue(bucket)
            for prefix in (ASYNC_INPUT_PREFIX, ASYNC_OUTPUT_PREFIX, ASYNC_FAILURE_PREFIX):
                wildcards[objects(bucket, prefix)] = "Each request has a name of its own; the prefix is theirs alone"
        if topics is not None:
            statements.append(iam.PolicyStatement(sid="TellOfResults", actions=["sns:Publish"], resources=topics.arns))
        if alarm_arns:
            # SageMaker watches the alarms that may take an update back as this role.
            statements.append(
                iam.PolicyStatement(
                    sid="WatchAlarms", actions=["cloudwatch:DescribeAlarms"], resources=list(alarm_arns)
                )
            )
        super().__init__(
            scope,
            id,
            policy="Hosting",
            log_group=log_group_arn(scope, f"/aws/sagemaker/Endpoints/{endpoint_name}"),
            metrics_namespace=METRICS_NAMESPACE,
            containers=containers,
            bucket=bucket,
            key=key,
            key_actions=READ_AND_WRITE if captures or queues else ["kms:Decrypt"],
            key_services=["s3", *(["sns"] if topics is not None else [])],
            statements=statements,
            wildcards=wildcards,
        )


def _put(sid: str, bucket: s3.IBucket, *prefixes: str) -> iam.PolicyStatement:
    resources = [bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes]
    return iam.PolicyStatement(sid=sid, actions=["s3:PutObject"], resources=resources)


def _queue(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="ReadRequests",
            actions=["s3:GetObject"],
            resources=[bucket.arn_for_objects(f"{ASYNC_INPUT_PREFIX}/*")],
        ),
        _put("WriteResults", bucket, ASYNC_OUTPUT_PREFIX, ASYNC_FAILURE_PREFIX),
    ]
