"""What a notebook may do: bring data, train as the stage file shapes jobs, stop itself, and more where it is wanted."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.names import Names
from config.sections.training import Training
from stacks.constructs.buckets import DATASET_PREFIX, MODELS_PREFIX, RUNS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.job_conditions import as_configured
from stacks.constructs.notebook_work import NotebookWork
from stacks.constructs.placement import Placement
from stacks.constructs.statements import (
    log_group_arn,
    objects,
    pass_to_sagemaker,
    sagemaker_for,
    use_key,
    write_log,
)

LOG_GROUP = "/aws/sagemaker/NotebookInstances"
JOBS_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# What a training job leaves; its checkpoints and the trials' are nobody else's.
LOOKED_AT = {
    DATASET_PREFIX: "Data sets are whatever people upload below their prefix",
    MODELS_PREFIX: "Any model may be looked at",
    f"{RUNS_PREFIX}/*/training": "Each run has an id of its own; what its training left, and nothing else of it",
}


class NotebookRole(iam.Role):
    """Whoever opens the notebook has it, and through the jobs that it starts what the training role may."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        jobs: Training,
        training_role: iam.IRole,
        placement: Placement | None,
        bucket: s3.IBucket,
        key: kms.IKey,
        work: NotebookWork | None,
    ) -> None:
        stack = Stack.of(scope)
        # Made before the notebook, whose name is generated: its tags tell this stage's from others.
        notebooks = stack.format_arn(service="sagemaker", resource="notebook-instance", resource_name="*")
        own_jobs = stack.format_arn(service="sagemaker", resource="training-job", resource_name=f"{names.own_jobs}*")
        log_group, jobs_log = log_group_arn(scope, LOG_GROUP), log_group_arn(scope, JOBS_LOG_GROUP)
        jobs_streams = f"{jobs_log}:log-stream:{names.own_jobs}*"
        tags = {"project": names.project, "stage": names.stage}
        statements = [
            iam.PolicyStatement(
                sid="StopItself",
                actions=["sagemaker:StopNotebookInstance"],
                resources=[notebooks],
                conditions={"StringEquals": {f"aws:ResourceTag/{name}": value for name, value in tags.items()}},
            ),
            write_log(log_group),
            iam.PolicyStatement(
                sid="StartTrainingJob",
                actions=["sagemaker:CreateTrainingJob"],
                resources=[own_jobs],
                conditions=as_configured(jobs, jobs.instance_type, key, placement),
            ),
            iam.PolicyStatement(
                sid="FollowJobs",
                # A job's tags, by which the budget counts it, are given with it and need AddTags.
                actions=["sagemaker:AddTags", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
                resources=[own_jobs],
            ),
            pass_to_sagemaker("PassTrainingRole", [training_role]),
            iam.PolicyStatement(
                # CloudWatch Logs asks about the streams of the group, which it writes with nothing after the colon.
                sid="FindJobLogs",
                actions=["logs:DescribeLogStreams"],
                resources=[jobs_log, f"{jobs_log}:log-stream:"],
            ),
            iam.PolicyStatement(sid="ReadJobLogs", actions=["logs:GetLogEvents"], resources=[jobs_streams]),
            iam.PolicyStatement(
                sid="ListBucket",
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={
                    "StringLike": {
                        "s3:prefix": [f"{prefix}/*" for prefix in (DATASET_PREFIX, MODELS_PREFIX, RUNS_PREFIX)]
                    }
                },
            ),
            iam.PolicyStatement(
                sid="ReadDataAndModels",
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects(f"{prefix}/*") for prefix in LOOKED_AT],
            ),
            iam.PolicyStatement(
                sid="BringData",
                actions=["s3:AbortMultipartUpload", "s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{DATASET_PREFIX}/*")],
            ),
            use_key(scope, key),
            *(work.statements if work else ()),
        ]
        super().__init__(
            scope,
            id,
            assumed_by=sagemaker_for(scope, notebooks),
            inline_policies={"Notebook": iam.PolicyDocument(statements=statements)},
        )
        for resource, reason in {
            notebooks: "The notebook's name is generated after its role; the condition names this stage's tags",
            own_jobs: "People name the jobs that they start; the names begin as this stage's do",
            f"{log_group}:*": "SageMaker names the log streams",
            jobs_streams: "SageMaker names a job's streams after the job",
            **{objects(bucket, prefix): reason for prefix, reason in LOOKED_AT.items()},
            **(work.wildcards if work else {}),
        }.items():
            acknowledge_wildcard(self, resource, reason)
