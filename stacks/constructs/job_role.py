"""What every role that a SageMaker job runs under may do: pull one image, read its input, write its output, say how."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.registries import TRAINING_REPOSITORY, training_account
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.statements import (
    log_group_arn,
    objects,
    publish_metrics,
    pull_images,
    sagemaker_for,
    use_key,
    write_log,
)
from stacks.constructs.tar_asset import TarAsset

# SageMaker places its network interfaces by calls that know no resource, or none that exists beforehand.
NETWORK_ACTIONS = [
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
]


@dataclass(frozen=True)
class JobData:
    """Prefixes of the stage's bucket, without a slash at the end."""

    reads: Sequence[str]
    writes: Sequence[str]
    resumes: Sequence[str] = field(default=())
    """Read and written: where checkpoints come back from."""
    files: Sequence[str] = field(default=())
    """Read: single objects, by their whole keys."""


@dataclass(frozen=True)
class JobKind:
    """How SageMaker calls one kind of job: in ARNs, in log groups and in the namespace of its metrics."""

    source: str
    log: str


PROCESSING = JobKind("processing-job/*", "ProcessingJobs")
TRAINING = JobKind("training-job/*", "TrainingJobs")
# A tuning job names no narrower source than the account's SageMaker, and its trials are training jobs.
TUNING = JobKind("*", "TrainingJobs")


class JobRole(iam.Role):
    """Its policy is inline, so that a job started right after the deploy finds it complete."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kind: JobKind,
        data: JobData,
        code: TarAsset,
        bucket: s3.IBucket,
        key: kms.IKey,
        encrypts_volume: bool,
        placed: bool,
    ) -> None:
        stack, log_group = Stack.of(scope), log_group_arn(scope, f"/aws/sagemaker/{kind.log}")
        source = f"arn:{Aws.PARTITION}:sagemaker:{stack.region}:{stack.account}:{kind.source}"
        super().__init__(
            scope,
            id,
            assumed_by=sagemaker_for(scope, source),
            inline_policies={
                "Job": iam.PolicyDocument(
                    statements=[
                        *_data(data, bucket),
                        *_code(code),
                        *pull_images([_training_images(stack)]),
                        write_log(log_group),
                        publish_metrics(f"/aws/sagemaker/{kind.log}"),
                        use_key(scope, key),
                        *(_lend_to_volume(key) if encrypts_volume else []),
                        *(_place() if placed else []),
                    ]
                )
            },
        )
        own = {
            "*": "ecr:GetAuthorizationToken, cloudwatch:PutMetricData and the calls that place network interfaces know "
            "no resource: the first is bounded by the statement on the repository, the second by its namespace",
            f"{log_group}:*": "SageMaker names the log streams after the jobs",
        }
        for prefix in (*data.reads, *data.writes, *data.resumes):
            own[objects(bucket, prefix)] = "Runs and data sets come after the deploy; the prefix is theirs alone"
        for resource, reason in own.items():
            acknowledge_wildcard(self, resource, reason)


def _data(data: JobData, bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    def below(prefixes: Sequence[str]) -> list[str]:
        return [bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes]

    return [
        iam.PolicyStatement(
            sid="FindInput",
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={
                "StringLike": {
                    "s3:prefix": [
                        *(f"{prefix}/*" for prefix in data.reads),
                        # Checkpoints are looked for without a slash at the end.
                        *(f"{prefix}*" for prefix in data.resumes),
                        # A channel looks for one object by its whole key too.
                        *data.files,
                    ]
                }
            },
        ),
        iam.PolicyStatement(
            sid="ReadInput",
            actions=["s3:GetObject"],
            resources=[
                *below([*data.reads, *data.resumes]),
                *(bucket.arn_for_objects(file) for file in data.files),
            ],
        ),
        iam.PolicyStatement(
            sid="WriteOutput",
            actions=["s3:AbortMultipartUpload", "s3:PutObject"],
            resources=below([*data.writes, *data.resumes]),
        ),
    ]


def _code(code: TarAsset) -> list[iam.PolicyStatement]:
    return [
        # SageMaker looks a channel's objects up by their prefix, which here is the whole key.
        iam.PolicyStatement(
            sid="FindCode",
            actions=["s3:ListBucket"],
            resources=[code.bucket_arn],
            conditions={"StringEquals": {"s3:prefix": code.object_key}},
        ),
        iam.PolicyStatement(sid="ReadCode", actions=["s3:GetObject"], resources=[code.object_arn]),
    ]


def _training_images(stack: Stack) -> str:
    account = training_account(stack.region)
    return f"arn:{Aws.PARTITION}:ecr:{stack.region}:{account}:repository/{TRAINING_REPOSITORY}"


def _lend_to_volume(key: kms.IKey) -> list[iam.PolicyStatement]:
    """The volume is attached by a grant that only AWS's own services may use."""
    return [
        iam.PolicyStatement(
            sid="LendKeyToVolume",
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        iam.PolicyStatement(sid="SeeKey", actions=["kms:DescribeKey"], resources=[key.key_arn]),
    ]


def _place() -> list[iam.PolicyStatement]:
    return [iam.PolicyStatement(sid="PlaceInVpc", actions=NETWORK_ACTIONS, resources=["*"])]
