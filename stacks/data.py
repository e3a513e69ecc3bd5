"""What must not be lost: the key, the bucket, its access log, and the registry's model group."""

from aws_cdk import CfnOutput, Environment, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config import StageConfig
from config.names import Names
from stacks.constructs.buckets import AccessLogBucket, DataBucket


class DataStack(Stack):
    """Buckets and their key outlive the stack where the stage file says so."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, names: Names, env: Environment) -> None:
        super().__init__(
            scope,
            id,
            env=env,
            termination_protection=config.stage.protect,
            description="Key, bucket and model group of Whippet: everything that must not be lost",
        )
        removal = RemovalPolicy.RETAIN if config.stage.retain_data else RemovalPolicy.DESTROY

        self.key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=removal)
        log = AccessLogBucket(self, "AccessLog", keep_days=config.data.access_log_days, removal_policy=removal)
        self.bucket: s3.IBucket = DataBucket(
            self, "Bucket", key=self.key, access_log=log, config=config.data, removal_policy=removal
        )
        # A group that still holds model packages refuses to be deleted, so that it needs no retention; retained, its
        # fixed name would block the next deploy.
        sagemaker.CfnModelPackageGroup(
            self,
            "ModelGroup",
            model_package_group_name=names.model_group,
            model_package_group_description="Models that were trained, with their metrics and who approved them",
        )
        CfnOutput(
            self, "BucketName", value=self.bucket.bucket_name, description="Data sets, models and captured requests"
        )
