"""The two buckets: private, encrypted, TLS only."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.sections.data import Data
from stacks.constructs.findings import acknowledge

CAPTURE_PREFIX = "capture"
# What an endpoint in mode "async" is sent, what it answers, and what it says of a failure.
ASYNC_PREFIX = "async"
ASYNC_INPUT_PREFIX = f"{ASYNC_PREFIX}/input"
ASYNC_OUTPUT_PREFIX = f"{ASYNC_PREFIX}/output"
ASYNC_FAILURE_PREFIX = f"{ASYNC_PREFIX}/failure"
# Images for the prediction API that are too large for a request.
UPLOADS_PREFIX = "uploads"
BATCH_INPUT_PREFIX = "batch/input"
BATCH_OUTPUT_PREFIX = "batch/output"
DATASET_PREFIX = "dataset"
MODELS_PREFIX = "models"
DATASET_PREFIX = "dataset"
# What a run of the pipeline leaves beside its model, below the run's own id.
RUNS_PREFIX = "runs"
UNFINISHED_UPLOAD_DAYS = 7


class AccessLogBucket(s3.Bucket):
    """Where S3 writes who read what. The log service cannot write under a customer's key, hence S3's own encryption."""

    def __init__(self, scope: Construct, id: str, *, keep_days: int, removal_policy: RemovalPolicy) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=Duration.days(keep_days),
                    abort_incomplete_multipart_upload_after=Duration.days(UNFINISHED_UPLOAD_DAYS),
                )
            ],
            removal_policy=removal_policy,
        )
        _keep_policy_with(self, removal_policy)
        acknowledge(self, "AwsSolutions-S1", "This is the access log; logging reads of it would log itself")


class DataBucket(s3.Bucket):
    """Data sets, models, captured requests and batches, each under its prefix; its events go to EventBridge."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        key: kms.IKey,
        access_log: s3.IBucket,
        config: Data,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=access_log,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tidy",
                    noncurrent_version_expiration=Duration.days(config.noncurrent_days),
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=Duration.days(UNFINISHED_UPLOAD_DAYS),
                ),
                s3.LifecycleRule(id="forget-runs", prefix=f"{RUNS_PREFIX}/", expiration=Duration.days(config.run_days)),
                # What users sent is gone when it is said to be gone, not when a deleted version expires.
                *(
                    s3.LifecycleRule(
                        id=name,
                        prefix=f"{prefix}/",
                        expiration=Duration.days(days),
                        noncurrent_version_expiration=Duration.days(1),
                    )
                    for name, prefix, days in (
                        ("forget-captures", CAPTURE_PREFIX, config.capture_days),
                        ("forget-requests", ASYNC_PREFIX, config.async_days),
                        ("forget-uploads", UPLOADS_PREFIX, config.upload_days),
                    )
                ),
            ],
            removal_policy=removal_policy,
        )
        # The L2's switch for EventBridge brings a function that may rewrite any bucket's notifications; this does not.
        resource = cast(s3.CfnBucket, self.node.default_child)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        _keep_policy_with(self, removal_policy)


def _keep_policy_with(bucket: s3.Bucket, removal_policy: RemovalPolicy) -> None:
    """A bucket that is kept stays TLS-only and goes on receiving its log, as its policy says."""
    policy = bucket.policy
    if policy is None:
        raise TypeError("a bucket that enforces TLS has a policy")
    policy.apply_removal_policy(removal_policy)
