"""The pipeline's definition as stage dev deploys it, with plain names where the template has tokens."""

from config import StageConfig, load_stage
from ops.work.definition import Definition
from stacks.constructs.pipeline_steps import Places, definition

ROLES = {
    step: f"arn:aws:iam::111122223333:role/whippet-dev-training-{step}"
    for step in ("Prepare", "Features", "Tune", "Train", "Evaluate")
}
KEY = "arn:aws:kms:us-east-1:111122223333:key/1"


def settings(**hyperparameters):
    found = load_stage("dev")[0].model_dump(by_alias=True, exclude_none=True)
    found["training"]["hyperparameters"] |= hyperparameters
    return StageConfig.model_validate(found)


def deployed(config=None, vpc=None):
    config = config or settings()
    places = Places(
        bucket="the-bucket",
        code_uri="s3://assets/code.tar.gz",
        code_file="code.tar.gz",
        key=KEY,
        training_image="cpu-image",
        tuning_image="cpu-image",
        processing_image="cpu-image",
        registered_image="own-image",
        group="whippet-dev-models",
        vpc=vpc,
        roles=ROLES,
    )
    return Definition(definition(config.training, places, model_name=config.stage.project))
