"""A .tar.gz shipped as it is under a content-addressed key that still ends in .tar.gz."""

from pathlib import Path

from aws_cdk import AssetStaging, Aws, FileAssetPackaging, Fn, Stack
from constructs import Construct


class TarAsset(Construct):
    """SageMaker takes model data only with the suffix .tar.gz, which CDK's own file asset shortens to .gz."""

    def __init__(self, scope: Construct, id: str, *, path: Path) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        staging = AssetStaging(self, "Staging", source_path=str(path))
        location = stack.synthesizer.add_file_asset(
            file_name=staging.relative_staged_path(stack),
            # The synthesizer appends what it takes for the extension, which is .gz.
            source_hash=f"{staging.asset_hash}.tar",
            packaging=FileAssetPackaging.FILE,
        )
        self.object_key = location.object_key
        self.bucket_arn = Fn.join("", ["arn:", Aws.PARTITION, ":s3:::", location.bucket_name])
        self.s3_uri = f"s3://{location.bucket_name}/{location.object_key}"
        self.object_arn = Fn.join(
            "", ["arn:", Aws.PARTITION, ":s3:::", f"{location.bucket_name}/{location.object_key}"]
        )
