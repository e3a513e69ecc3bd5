"""What makes a pushed data set start the pipeline: a rule, a function, and a queue for what failed.

One way only: the rule sees manifests below dataset/, and no role of the pipeline may write there.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from config.sections.section import LogDays
from stacks.constructs.buckets import DATASET_PREFIX
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.functions import PythonFunction
from stacks.constructs.statements import objects, use_key

# The last object of a push, so that one data set starts one run.
MARKER = f"{DATASET_PREFIX}/*/manifest.json"
KEPT_FAILURES = Duration.days(14)


class Intake(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline_name: str,
        bucket: s3.IBucket,
        key: kms.IKey,
        log_days: LogDays,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self.failures = sqs.Queue(
            self,
            "Failures",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT_FAILURES,
        )
        acknowledge(self.failures, "AwsSolutions-SQS3", "This is where failures end; theirs would have nowhere to go")
        acknowledge(
            self.failures, "Serverless-SQSRedrivePolicy", "This is where failures end; theirs would have nowhere to go"
        )
        pipeline = stack.format_arn(service="sagemaker", resource="pipeline", resource_name=pipeline_name.lower())
        self.function = PythonFunction(
            self,
            "Function",
            folder="intake",
            description="Starts the training pipeline for a data set whose manifest has arrived",
            memory_mb=256,
            timeout_seconds=30,
            log_days=log_days,
            environment={"BUCKET": bucket.bucket_name, "PIPELINE_NAME": pipeline_name},
            statements=[
                iam.PolicyStatement(
                    sid="ReadManifest", actions=["s3:GetObject"], resources=[bucket.arn_for_objects(MARKER)]
                ),
                iam.PolicyStatement(
                    sid="StartPipeline", actions=["sagemaker:StartPipelineExecution"], resources=[pipeline]
                ),
                use_key(self, key, ["kms:Decrypt"]),
            ],
            failures=self.failures,
        )
        marker = f"{objects(bucket, DATASET_PREFIX).removesuffix('/*')}/*/manifest.json"
        acknowledge_wildcard(
            self.function.execution_role, marker, "Data sets come after the deploy; of each its manifest alone"
        )
        events.Rule(
            self,
            "DatasetArrived",
            description="A data set's manifest, the last object of a push",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [bucket.bucket_name]}, "object": {"key": [{"wildcard": MARKER}]}},
            ),
            targets=[targets.LambdaFunction(self.function, dead_letter_queue=self.failures)],
        )
