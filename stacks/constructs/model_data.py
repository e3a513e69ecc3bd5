"""Where a model.tar.gz lies: the starter as an asset, or a content-addressed object in the stage's bucket."""

from aws_cdk import aws_s3 as s3

from stacks.constructs.tar_asset import TarAsset


def model_data_url(artifact: str, starter: TarAsset, bucket: s3.IBucket) -> str:
    return starter.s3_uri if artifact == "starter" else bucket.s3_url_for_object(artifact)
