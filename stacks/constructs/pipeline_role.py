"""The role that the pipeline itself runs under: it starts jobs, shaped as the stage file says, and registers."""

from collections.abc import Sequence

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.sections.training import Training
from stacks.constructs.buckets import RUNS_PREFIX
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.job_conditions import as_configured
from stacks.constructs.placement import Placement
from stacks.constructs.statements import objects, pass_to_sagemaker, sagemaker_for, use_key

# How SageMaker names the jobs of pipelines; a tuning job's name is too short for the prefix.
JOBS = {
    "ProcessingJob": "processing-job/pipelines-*",
    "TrainingJob": "training-job/pipelines-*",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job/*",
}
TAGGED_JOBS = "The pipeline names its jobs after its runs"


class PipelineRole(iam.Role):
    """A job that differs from the stage file in its instance type, volume key, isolation or subnets is refused."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline_name: str,
        group_name: str,
        config: Training,
        step_roles: Sequence[iam.IRole],
        bucket: s3.IBucket,
        key: kms.IKey,
        placement: Placement | None,
    ) -> None:
        stack = Stack.of(scope)
        here = f"arn:{Aws.PARTITION}:sagemaker:{stack.region}:{stack.account}"
        jobs = {call: f"{here}:{pattern}" for call, pattern in JOBS.items()}
        types = {
            "ProcessingJob": config.processing.instance_type,
            "TrainingJob": config.instance_type,
            "HyperParameterTuningJob": config.tuning.instance_type,
        }
        versions = f"{here}:model-package/{group_name}/*"
        statements = [
            *(
                iam.PolicyStatement(
                    sid=f"Start{call}",
                    actions=[f"sagemaker:Create{call}"],
                    resources=[jobs[call]],
                    conditions=as_configured(config, types[call], key, placement),
                )
                for call in JOBS
            ),
            iam.PolicyStatement(
                sid="FollowJobs",
                actions=[f"sagemaker:{verb}{call}" for call in JOBS for verb in ("Describe", "Stop")],
                resources=list(jobs.values()),
            ),
            # A tuning job's trials carry its name, not the pipeline's.
            iam.PolicyStatement(
                sid="SeeTrials", actions=["sagemaker:DescribeTrainingJob"], resources=[f"{here}:training-job/*"]
            ),
            iam.PolicyStatement(sid="TagJobs", actions=["sagemaker:AddTags"], resources=[*jobs.values(), versions]),
            iam.PolicyStatement(
                sid="Register",
                actions=["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"],
                resources=[f"{here}:model-package-group/{group_name}", versions],
            ),
            pass_to_sagemaker("PassStepRoles", step_roles),
            # The condition and the registration read what the evaluation wrote.
            iam.PolicyStatement(
                sid="ReadEvaluation",
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects(f"{RUNS_PREFIX}/*/evaluation/*")],
            ),
            use_key(scope, key, ["kms:Decrypt"]),
        ]
        source = f"{here}:pipeline/{pipeline_name}"
        super().__init__(
            scope,
            id,
            assumed_by=sagemaker_for(scope, source, f"{source}/*"),
            inline_policies={"Pipeline": iam.PolicyDocument(statements=statements)},
        )
        for resource in (*jobs.values(), f"{here}:training-job/*"):
            acknowledge_wildcard(self, resource, TAGGED_JOBS)
        acknowledge_wildcard(self, versions, "SageMaker numbers the versions of this one group")
        acknowledge_wildcard(
            self, objects(bucket, f"{RUNS_PREFIX}/*/evaluation"), "Each run has an id of its own; only this file of it"
        )
