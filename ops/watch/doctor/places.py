"""What must lie where the stage file says it does: images, model, weights, the box's AMI; and who hears of alarms."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from config.instances import has_gpu
from config.registries import ecr_repository, training_image
from ops.models.live import STARTER
from ops.stage import Stage
from ops.watch.doctor.finding import Finding, fault, note, well

AMI_PARAMETERS = "/aws/service/deeplearning/ami/x86_64"
MISSING_IMAGE = {"ImageNotFoundException", "RepositoryNotFoundException"}
MISSING_OBJECT = {"404", "NoSuchKey", "NotFound"}
PENDING = "PendingConfirmation"


def images(stage: Stage) -> Iterator[Finding]:
    training = stage.config.training
    kinds = {training.instance_type, training.tuning.instance_type, training.processing.instance_type}
    region = stage.account.region
    for uri in sorted({training_image(region, gpu=has_gpu(kind)) for kind in kinds}):
        yield _image(stage, f"image of the training jobs, {uri.rsplit('/', 1)[-1]}", uri, "choose another region")
    if stage.config.image.uri is not None:
        yield _image(stage, "image.uri", stage.config.image.uri, "push it, or name one that is there")


def _image(stage: Stage, what: str, uri: str, remedy: str) -> Finding:
    place = ecr_repository(uri)
    digest = uri.rpartition("@")[2] if "@" in uri else None
    wanted = {"imageDigest": digest} if digest else {"imageTag": uri.rpartition(":")[2]}
    try:
        found = stage.client("ecr").describe_images(
            registryId=place.account, repositoryName=place.name, imageIds=[wanted]
        )["imageDetails"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING_IMAGE:
            return fault(what, f"is not there: {uri}", remedy)
        raise
    size = found.get("imageSizeInBytes")
    return well(what, f"is there, {size / 1e9:.1f} GB" if size else "is there")


def objects(stage: Stage) -> Iterator[Finding]:
    """In the stage's bucket, which the first deploy makes."""
    wanted = {}
    if stage.config.model.artifact != STARTER:
        wanted["model.artifact"] = stage.config.model.artifact
    if stage.config.training.weights is not None:
        wanted["training.weights.key"] = stage.config.training.weights.key
    if stage.config.model.artifact == STARTER:
        yield well("model.artifact", "the starter, which ships with the project")
    outputs = stage.find("data")
    for key, name in wanted.items():
        if outputs is None:
            said = f"names {name}, and the bucket is not there yet"
            yield fault(key, said, 'deploy with "starter" and without weights first, then put the object there')
        else:
            yield _object(stage.client("s3"), key, outputs["BucketName"], name)


def _object(s3: Any, key: str, bucket: str, name: str) -> Finding:  # noqa: ANN401 - boto3's client
    try:
        found = s3.head_object(Bucket=bucket, Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING_OBJECT:
            return fault(key, f"s3://{bucket}/{name} is not there", "`ops models` lists what is; docs/dataset.md")
        raise
    return well(key, f"s3://{bucket}/{name}, {found['ContentLength'] / 1e6:.1f} MB")


def ami(stage: Stage) -> Iterator[Finding]:
    box = stage.config.workbench.box
    if not box.enabled:
        return
    if box.ami_id:
        found = stage.client("ec2").describe_images(ImageIds=[box.ami_id])["Images"]
        yield (
            well("workbench.box.ami_id", found[0].get("Name", box.ami_id))
            if found
            else fault("workbench.box.ami_id", f"{box.ami_id} is not in this region", "leave it out for the newest")
        )
        return
    name = f"{AMI_PARAMETERS}/{box.ami_type}/latest/ami-id"
    try:
        value = stage.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        listing = f"aws ssm get-parameters-by-path --recursive --path {AMI_PARAMETERS}"
        yield fault("workbench.box.ami_type", f"AWS names no AMI {name}", f"{listing} lists those that it does")
    else:
        yield well("workbench.box.ami_type", f"{box.ami_type}, now {value}")


def listeners(stage: Stage) -> Iterator[Finding]:
    """Addresses that have not confirmed hear nothing, and nothing says so."""
    emails = stage.config.operations.emails
    if not emails:
        yield note("operations.emails", "nobody hears of alarms", 'set it to ["you@example.com"]')
        return
    outputs = stage.find("operations")
    if outputs is None:
        yield note("operations.emails", f"after the deploy each of {len(emails)} gets a mail to confirm")
        return
    pages = stage.client("sns").get_paginator("list_subscriptions_by_topic")
    found = pages.paginate(TopicArn=outputs["NewsTopicArn"]).search("Subscriptions[]")
    waiting = [one["Endpoint"] for one in found if one and one["SubscriptionArn"] == PENDING]
    if waiting:
        yield note("operations.emails", f"{', '.join(waiting)} has not confirmed", "follow the link in AWS's mail")
    else:
        yield well("operations.emails", f"all {len(emails)} have confirmed")
