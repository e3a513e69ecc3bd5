"""The image that the endpoint runs, and the repository that it is pulled from, whoever builds it."""

from dataclasses import dataclass

from aws_cdk import Aws, CustomResource, Duration
from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from config.registries import ecr_repository
from config.sections.image import Image
from stacks.constructs import source_folders
from stacks.constructs.image_builder import BUILD_TIMEOUT, QUEUE_TIMEOUT, ImageBuilder


@dataclass(frozen=True)
class ServingImage:
    uri: str
    repository_arn: str
    """Where the hosting role must be allowed to pull."""


def given_image(uri: str) -> ServingImage:
    found = ecr_repository(uri)
    return ServingImage(uri, f"arn:{Aws.PARTITION}:ecr:{found.region}:{found.account}:repository/{found.name}")


def built_image(scope: Construct, builder: ImageBuilder) -> ServingImage:
    """Ask for the image that belongs to the sources, and get it by digest.

    The request lives with the endpoint, not with the builder: a digest that crossed stacks could never change, since
    CloudFormation refuses to alter an export in use.
    """
    request = CustomResource(
        scope,
        "Image",
        resource_type="Custom::ServingImage",
        service_token=builder.function.function_arn,
        service_timeout=Duration.minutes(QUEUE_TIMEOUT.to_minutes() + BUILD_TIMEOUT.to_minutes() + 5),
        properties={
            "Project": builder.project.ref,
            "Repository": builder.repository.repository_name,
            "Tag": builder.tag,
        },
    )
    return ServingImage(request.get_att_string("ImageUri"), builder.repository.repository_arn)


def docker_image(scope: Construct) -> ServingImage:
    """Built where `cdk deploy` runs; the bootstrap repository's tags are content hashes and immutable."""
    asset = ecr_assets.DockerImageAsset(
        scope,
        "Image",
        directory=str(source_folders.SERVING),
        exclude=source_folders.SERVING_EXCLUDE,
        platform=ecr_assets.Platform.LINUX_AMD64,
        target="serve",
    )
    return ServingImage(asset.image_uri, asset.repository.repository_arn)


def serving_image(scope: Construct, config: Image, builder: ImageBuilder | None) -> ServingImage:
    if config.source == "docker":
        return docker_image(scope)
    if builder is not None:
        return built_image(scope, builder)
    return given_image(str(config.uri))


def registered_image(scope: Construct, config: Image, builder: ImageBuilder | None) -> str:
    """What a registered model names as the image that serves it: by the tag of the sources, which asks for no build."""
    if builder is not None and config.source != "docker":
        return f"{builder.repository.repository_uri}:{builder.tag}"
    return docker_image(scope).uri if config.source == "docker" else str(config.uri)
