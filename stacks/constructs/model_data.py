"""Where the served model.tar.gz lies: the starter as an asset, or a content-addressed object in the stage's bucket."""

from dataclasses import dataclass

from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.model import Model
from stacks.constructs import source_folders
from stacks.constructs.tar_asset import TarAsset


@dataclass(frozen=True)
class ModelData:
    s3_uri: str
    object_arn: str
    needs_key: bool
    """Whether the object is encrypted under the stage's own key."""


def model_data(scope: Construct, config: Model, bucket: s3.IBucket) -> ModelData:
    if config.artifact == "starter":
        asset = TarAsset(scope, "StarterModel", path=source_folders.STARTER_MODEL)
        return ModelData(asset.s3_uri, asset.object_arn, needs_key=False)
    return ModelData(bucket.s3_url_for_object(config.artifact), bucket.arn_for_objects(config.artifact), needs_key=True)
