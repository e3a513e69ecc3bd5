"""What notebooks/operationalize.ipynb does beyond training: follow runs, tune, compare, read the registry, predict.

Approving a version, promoting and deploying it are an operator's decisions, for which nobody needs a notebook.
"""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.names import Names
from config.sections.training import Training
from stacks.constructs.buckets import RUNS_PREFIX
from stacks.constructs.job_conditions import as_configured
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.notebook_files import NotebookFiles
from stacks.constructs.placement import Placement
from stacks.constructs.statements import objects, pass_to_sagemaker

# The stacks whose outputs say how everything is called.
ROOMS = ("data", "training", "serving")
# How SageMaker names the jobs of pipelines; a tuning job's name is too short for the prefix.
OF_PIPELINES = "pipelines-*"
EVALUATIONS = f"{RUNS_PREFIX}/*/evaluation"


class NotebookWork:
    """Its statements, and why those of their resources that are patterns are."""

    def __init__(
        self,
        scope: Construct,
        *,
        names: Names,
        jobs: Training,
        tuning_role: iam.IRole,
        endpoint: ModelEndpoint,
        files: NotebookFiles,
        placement: Placement | None,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        stack = Stack.of(scope)

        def sagemaker(resource: str, name: str) -> str:
            return stack.format_arn(service="sagemaker", resource=resource, resource_name=name)

        stacks = [
            stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{names.stack(room)}/*")
            for room in ROOMS
        ]
        pipeline = sagemaker("pipeline", names.pipeline)
        runs = f"{pipeline}/execution/*"
        trainings, processings = sagemaker("training-job", OF_PIPELINES), sagemaker("processing-job", OF_PIPELINES)
        tunings, own_tunings = (
            sagemaker("hyper-parameter-tuning-job", name) for name in ("*", f"{names.notebook_tuning}*")
        )
        trials = sagemaker("training-job", f"{names.notebook_tuning}*")
        versions = sagemaker("model-package", f"{names.model_group}/*")
        self.statements = [
            iam.PolicyStatement(sid="ReadNotebooks", actions=["s3:GetObject"], resources=[files.object_arn]),
            iam.PolicyStatement(sid="ReadOutputs", actions=["cloudformation:DescribeStacks"], resources=stacks),
            iam.PolicyStatement(
                sid="SeePipeline",
                actions=["sagemaker:DescribePipeline", "sagemaker:ListPipelineExecutions"],
                resources=[pipeline],
            ),
            iam.PolicyStatement(
                sid="FollowRuns",
                actions=["sagemaker:DescribePipelineExecution", "sagemaker:ListPipelineExecutionSteps"],
                resources=[runs],
            ),
            iam.PolicyStatement(
                sid="SeeJobsOfRuns",
                actions=[
                    "sagemaker:DescribeHyperParameterTuningJob",
                    "sagemaker:DescribeProcessingJob",
                    "sagemaker:DescribeTrainingJob",
                ],
                resources=[tunings, processings, trainings],
            ),
            iam.PolicyStatement(
                sid="StartTuning",
                actions=["sagemaker:CreateHyperParameterTuningJob"],
                resources=[own_tunings],
                conditions=as_configured(jobs, jobs.tuning.instance_type, key, placement),
            ),
            iam.PolicyStatement(
                sid="FollowTuning",
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
                    "sagemaker:StopHyperParameterTuningJob",
                ],
                resources=[own_tunings],
            ),
            iam.PolicyStatement(sid="SeeTrials", actions=["sagemaker:DescribeTrainingJob"], resources=[trials]),
            pass_to_sagemaker("PassTuningRole", [tuning_role]),
            iam.PolicyStatement(sid="SeeVersions", actions=["sagemaker:DescribeModelPackage"], resources=[versions]),
            iam.PolicyStatement(
                sid="ReadEvaluations",
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects(f"{EVALUATIONS}/*")],
            ),
            iam.PolicyStatement(
                sid="Predict",
                actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
                resources=[endpoint.arn_in(stack)],
            ),
        ]
        self.wildcards = {
            **dict.fromkeys(stacks, "CloudFormation ends a stack's ARN with an id of its own"),
            runs: "Each run of this one pipeline has an id of its own",
            trainings: "SageMaker names the jobs of runs; they are looked at, and no more",
            processings: "SageMaker names the jobs of runs; they are looked at, and no more",
            tunings: "A run's tuning job has no prefix that is documented; it is looked at, and no more",
            own_tunings: "A tuning job's name is unique; it begins as this stage's do",
            trials: "SageMaker names trials after their tuning job",
            objects(
                bucket, EVALUATIONS
            ): "Each run has an id of its own; what its evaluation found, and nothing else of it",
            versions: "SageMaker numbers the versions of this one group",
        }
