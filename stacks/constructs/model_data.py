"""Where the served model.tar.gz lies: the starter as an asset, or a content-addressed object in the stage's bucket."""

from aws_cdk import aws_s3 as s3

from config.sections.model import Model
from stacks.constructs.tar_asset import TarAsset


def model_data_url(config: Model, starter: TarAsset, bucket: s3.IBucket) -> str:
    return starter.s3_uri if config.artifact == "starter" else bucket.s3_url_for_object(config.artifact)
