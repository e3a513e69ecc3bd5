"""The image, and the instances that it must run on."""

from collections.abc import Iterator

from config.instances import ARM_FAMILY, family
from config.registries import ecr_repository
from config.rules.serving import instance_types
from config.rules.table import Finding, rule
from config.sections.image import Image
from config.sections.serving import Serving
from config.sections.stage import Stage


@rule("image")
def image_has_one_source(image: Image) -> Iterator[Finding]:
    if image.source == "uri" and image.uri is None:
        yield Finding("image.source", "uri", 'needs image.uri; set it, or choose "codebuild" to have the image built')
    if image.source != "uri" and image.uri is not None:
        yield Finding(
            "image.uri", image.uri, f'is not used with source "{image.source}"; remove it or set source = "uri"'
        )
    if image.uri is not None and image.uri.endswith(":latest"):
        yield Finding("image.uri", image.uri, "moves under a running endpoint; pin it by digest as ...@sha256:...")


@rule("stage", "image")
def image_lies_in_the_registry_of_its_region(stage: Stage, image: Image) -> Iterator[Finding]:
    if image.source != "uri" or image.uri is None:
        return
    try:
        found = ecr_repository(image.uri)
    except ValueError:
        message = (
            "names no image in ECR, and hosting pulls from nowhere else; push it there and name it as "
            f"ACCOUNT.dkr.ecr.{stage.region}.amazonaws.com/NAME@sha256:..."
        )
        yield Finding("image.uri", image.uri, message)
        return
    if found.region != stage.region:
        message = (
            f'lies in {found.region}, and hosting pulls in its own region, stage.region = "{stage.region}"; copy it'
        )
        yield Finding("image.uri", image.uri, message)


@rule("image", "serving")
def built_images_run_on_x86(image: Image, serving: Serving) -> Iterator[Finding]:
    if image.source == "uri":
        return
    for key, kind in instance_types(serving):
        if ARM_FAMILY.fullmatch(family(kind)):
            message = (
                "is an Arm type, and the image is built for x86-64; choose ml.m5.large, or give an Arm image with "
                'image.source = "uri"'
            )
            yield Finding(key, kind, message)
