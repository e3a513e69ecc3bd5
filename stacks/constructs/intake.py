"""What looks at a pushed data set and starts the pipeline on it: a rule, a function, and a queue for what failed.

One way only: the rule sees what is put below dataset/, and no role of the pipeline may write there.
"""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
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
EVERYTHING = f"{DATASET_PREFIX}/*"
# As in lambda_src/intake/pictures.py; a test holds the two together.
ENDINGS = ("jpg", "jpeg", "png", "webp", "gif")
TIMEOUT_SECONDS = 60
# Six times the function's limit, as AWS advises: meanwhile nobody else gets the message.
REST = Duration.seconds(6 * TIMEOUT_SECONDS)
KEPT_FAILURES = Duration.days(14)
WINDOW = Duration.seconds(5)
TRIES = 3


class Intake(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline_name: str,
        bucket: s3.IBucket,
        key: kms.IKey,
        checks_pictures: bool,
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
            visibility_timeout=REST,
        )
        acknowledge(self.failures, "AwsSolutions-SQS3", "This is where failures end; theirs would have nowhere to go")
        acknowledge(
            self.failures, "Serverless-SQSRedrivePolicy", "This is where failures end; theirs would have nowhere to go"
        )
        arrivals = bucket.arn_for_objects(EVERYTHING if checks_pictures else MARKER)
        pictures = self._queue() if checks_pictures else None
        pipeline = stack.format_arn(service="sagemaker", resource="pipeline", resource_name=pipeline_name.lower())
        self.function = PythonFunction(
            self,
            "Function",
            folder="intake",
            description="Looks at pushed pictures, and starts the training pipeline on a data set whose manifest came",
            memory_mb=256,
            timeout_seconds=TIMEOUT_SECONDS,
            log_days=log_days,
            environment={"BUCKET": bucket.bucket_name, "PIPELINE_NAME": pipeline_name},
            statements=[
                # The version that an event is about, which may not be the newest any more.
                iam.PolicyStatement(
                    sid="ReadArrivals", actions=["s3:GetObject", "s3:GetObjectVersion"], resources=[arrivals]
                ),
                iam.PolicyStatement(
                    sid="CountFiles",
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": EVERYTHING}},
                ),
                *([_tag(arrivals)] if checks_pictures else []),
                iam.PolicyStatement(
                    sid="StartPipeline", actions=["sagemaker:StartPipelineExecution"], resources=[pipeline]
                ),
                use_key(self, key, ["kms:Decrypt"]),
                iam.PolicyStatement(
                    sid="TakeMessages",
                    actions=["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                    resources=[queue.queue_arn for queue in (self.failures, pictures) if queue],
                ),
            ],
            failures=self.failures,
        )
        # Switched on by a person who has mended what failed: what is taken in again leaves the queue.
        self.redrive = self._taking("Redrive", self.failures, enabled=False, batch_size=1)
        shown = objects(bucket, DATASET_PREFIX)
        acknowledge_wildcard(
            self.function.execution_role,
            shown if checks_pictures else f"{shown.removesuffix('/*')}{MARKER.removeprefix(DATASET_PREFIX)}",
            "Data sets come after the deploy; the prefix is theirs",
        )
        self._call(
            "ManifestArrived",
            bucket,
            [MARKER],
            targets.LambdaFunction(self.function, dead_letter_queue=self.failures),
            "A data set's manifest, the last object of a push",
        )
        if pictures:
            self._taking("Taking", pictures, batch_size=10, max_batching_window=WINDOW, max_concurrency=2)
            endings = [f"{EVERYTHING}.{ending}" for one in ENDINGS for ending in (one, one.upper())]
            self._call(
                "PictureArrived",
                bucket,
                endings,
                targets.SqsQueue(pictures, dead_letter_queue=self.failures),
                "Pictures of a data set",
            )

    def _queue(self) -> sqs.Queue:
        """Where pictures wait, so that a push of thousands never takes more than two calls at a time."""
        return sqs.Queue(
            self,
            "Pictures",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=REST,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.failures, max_receive_count=TRIES),
        )

    def _taking(
        self,
        id: str,
        queue: sqs.Queue,
        *,
        batch_size: int,
        enabled: bool = True,
        max_batching_window: Duration | None = None,
        max_concurrency: int | None = None,
    ) -> lambda_.EventSourceMapping:
        mapping = lambda_.EventSourceMapping(
            self,
            id,
            target=self.function,
            event_source_arn=queue.queue_arn,
            enabled=enabled,
            batch_size=batch_size,
            max_batching_window=max_batching_window,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
        acknowledge(
            mapping,
            "Serverless-LambdaEventSourceMappingDestination",
            "For queues Lambda has no such destination; a message that fails goes where its queue sends it",
        )
        return mapping

    def _call(
        self, id: str, bucket: s3.IBucket, keys: Sequence[str], target: events.IRuleTarget, description: str
    ) -> None:
        events.Rule(
            self,
            id,
            description=description,
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket.bucket_name]},
                    "object": {"key": [{"wildcard": key} for key in keys]},
                },
            ),
            targets=[target],
        )


def _tag(arrivals: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="TagArrivals", actions=["s3:PutObjectTagging", "s3:PutObjectVersionTagging"], resources=[arrivals]
    )
