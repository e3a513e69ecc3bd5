"""The serving image's repository and the project that builds it, for stages with image.source = "codebuild"."""

from aws_cdk import Environment, Stack
from constructs import Construct

from config import StageConfig
from stacks.constructs.image_builder import ImageBuilder


class ImageStack(Stack):
    """Builds nothing by itself: the Serving stack asks for the image that belongs to its sources and waits for it."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, env: Environment) -> None:
        super().__init__(scope, id, env=env, description="Builds and keeps the image that Whippet's endpoint runs")
        self.builder = ImageBuilder(self, "Builder", retain_images=config.stage.retain_data)
