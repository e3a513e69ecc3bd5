"""Who did what: CloudTrail's record of the account's calls in this region, in a bucket of its own."""

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.sections.operations import Trail
from stacks.constructs.findings import acknowledge

SERVICE = "cloudtrail.amazonaws.com"


class CallTrail(Construct):
    """Key, bucket and trail. The record outlives the stack where the stage's data does."""

    def __init__(
        self, scope: Construct, id: str, *, config: Trail, name: str, watched: s3.IBucket, removal: RemovalPolicy
    ) -> None:
        super().__init__(scope, id)
        self._source = {
            "StringEquals": {
                "aws:SourceArn": f"arn:{Aws.PARTITION}:cloudtrail:{Stack.of(self).region}:{Aws.ACCOUNT_ID}:trail/{name}"
            }
        }
        key = self._key(removal)
        bucket = self._bucket(key, config, removal)
        trail = cloudtrail.CfnTrail(
            self,
            "Trail",
            trail_name=name,
            is_logging=True,
            s3_bucket_name=bucket.bucket_name,
            kms_key_id=key.key_arn,
            enable_log_file_validation=True,
            include_global_service_events=True,
            is_multi_region_trail=False,
            event_selectors=[
                cloudtrail.CfnTrail.EventSelectorProperty(
                    include_management_events=True,
                    read_write_type="All",
                    data_resources=[
                        cloudtrail.CfnTrail.DataResourceProperty(
                            type="AWS::S3::Object", values=[f"{watched.bucket_arn}/"]
                        )
                    ]
                    if config.data_events
                    else None,
                )
            ],
        )
        if bucket.policy is None:
            raise TypeError("a bucket that enforces TLS has a policy")
        # CloudTrail tries to write before it says that the trail exists.
        trail.node.add_dependency(bucket.policy)

    def _key(self, removal: RemovalPolicy) -> kms.Key:
        key = kms.Key(self, "Key", description="The record of calls", enable_key_rotation=True, removal_policy=removal)
        trails = f"arn:{Aws.PARTITION}:cloudtrail:*:{Aws.ACCOUNT_ID}:trail/*"
        context = {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails}}
        self._lend(key, "Encrypt", "kms:GenerateDataKey*", {**self._source, **context})
        # The bucket's own key is made by decrypting what this one wrapped.
        self._lend(key, "Decrypt", "kms:Decrypt", self._source)
        self._lend(key, "Describe", "kms:DescribeKey", self._source)
        return key

    def _lend(self, key: kms.Key, what: str, action: str, conditions: dict[str, dict[str, str]]) -> None:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"TrailMay{what}",
                actions=[action],
                principals=[iam.ServicePrincipal(SERVICE)],
                # A key's policy speaks of that key alone.
                resources=["*"],
                conditions=conditions,
            )
        )

    def _bucket(self, key: kms.Key, config: Trail, removal: RemovalPolicy) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=Duration.days(config.keep_days),
                    noncurrent_version_expiration=Duration.days(1),
                )
            ],
            removal_policy=removal,
        )
        acknowledge(bucket, "AwsSolutions-S1", "This is the record of calls; a log of its reads would be another one")
        self._admit(bucket, "Check", "s3:GetBucketAcl", bucket.bucket_arn, self._source)
        written = {"StringEquals": {**self._source["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
        self._admit(bucket, "Write", "s3:PutObject", bucket.arn_for_objects(f"AWSLogs/{Aws.ACCOUNT_ID}/*"), written)
        if bucket.policy is not None:
            bucket.policy.apply_removal_policy(removal)
        return bucket

    def _admit(
        self, bucket: s3.Bucket, what: str, action: str, resource: str, conditions: dict[str, dict[str, str]]
    ) -> None:
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"TrailMay{what}",
                actions=[action],
                principals=[iam.ServicePrincipal(SERVICE)],
                resources=[resource],
                conditions=conditions,
            )
        )
