"""What the training box may do: be reached, read code and data, and leave models."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.constructs.buckets import DATASET_PREFIX, MODELS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import log_group_arn, objects, use_key, write_log
from stacks.constructs.training_code import TrainingCode


class BoxRole(iam.Role):
    """The part of AWS's policy for managed instances that a shell and a command need; no inventory, no patching, and no
    reading of every parameter of the account."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        code: TrainingCode,
        address: ssm.CfnParameter,
        log_group: str,
        weights: str | None,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        """`weights`: the key of what the stage's trainings begin from."""
        stack = Stack.of(scope)
        # The instance is launched with this role, so that its own id comes too late for it.
        instances = stack.format_arn(service="ec2", resource="instance", resource_name="*")
        parameter = stack.format_arn(service="ssm", resource="parameter", resource_name=address.ref)
        log, every_log = log_group_arn(scope, log_group), log_group_arn(scope, "*")
        begin = [bucket.arn_for_objects(weights)] if weights else []
        statements = [
            iam.PolicyStatement(sid="BeReached", actions=["ssm:UpdateInstanceInformation"], resources=[instances]),
            # Know no resource.
            iam.PolicyStatement(
                sid="Talk",
                actions=[
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                ],
                resources=["*"],
            ),
            iam.PolicyStatement(sid="FindCode", actions=["ssm:GetParameter"], resources=[parameter]),
            iam.PolicyStatement(sid="ReadCode", actions=["s3:GetObject"], resources=[code.object_arn]),
            iam.PolicyStatement(
                sid="ListData",
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{DATASET_PREFIX}/*"}},
            ),
            iam.PolicyStatement(
                sid="ReadData", actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{DATASET_PREFIX}/*")]
            ),
            *([iam.PolicyStatement(sid="ReadWeights", actions=["s3:GetObject"], resources=begin)] if begin else []),
            iam.PolicyStatement(
                sid="LeaveModel",
                actions=["s3:AbortMultipartUpload", "s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{MODELS_PREFIX}/*")],
            ),
            # What a command says, sent by the agent while it runs. It makes sure of the group before it makes a stream.
            iam.PolicyStatement(sid="FindLog", actions=["logs:DescribeLogGroups"], resources=[every_log]),
            write_log(log),
            use_key(scope, key),
        ]
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            inline_policies={"Box": iam.PolicyDocument(statements=statements)},
        )
        for resource, reason in {
            instances: "The box's id is known only after it was given this role; an agent reports for its own instance",
            every_log: "The agent looks for its group in a list; names of groups are all that it learns",
            f"{log}:*": "Systems Manager names the streams after the commands",
            "*": "ssmmessages knows no resource; what is said there is for this instance's agent alone",
            objects(bucket, DATASET_PREFIX): "Data sets are whatever people upload below their prefix",
            objects(bucket, MODELS_PREFIX): "A model's key is its hash, known when it is trained",
        }.items():
            acknowledge_wildcard(self, resource, reason)
