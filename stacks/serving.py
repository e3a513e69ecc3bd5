"""The model behind an endpoint that scales."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from config import StageConfig
from config.names import VARIANT, Names
from stacks.constructs import source_folders
from stacks.constructs.hosting_role import HostingRole
from stacks.constructs.model_data import model_data_url
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.serving_image import serving_image
from stacks.constructs.tar_asset import TarAsset
from stacks.constructs.target_tracking import ENDPOINT_INSTANCES, TargetTracking
from stacks.data import DataStack
from stacks.image import ImageStack


class ServingStack(Stack):
    """CloudFormation alone owns the endpoint: a new model is a changed artefact in the stage file, and a deploy."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        names: Names,
        data: DataStack,
        image: ImageStack | None,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Whippet's model behind a scaled endpoint")
        endpoint_name = names.endpoint(config.serving.mode)
        container = serving_image(self, config.image, image.builder if image else None)
        starter = TarAsset(self, "StarterModel", path=source_folders.STARTER_MODEL)
        role = HostingRole(
            self,
            "HostingRole",
            endpoint_name=endpoint_name,
            image=container,
            starter=starter,
            bucket=data.bucket,
            key=data.key,
            captures=config.serving.capture_percent > 0,
        )
        self.endpoint = ModelEndpoint(
            self,
            "Hosting",
            endpoint_name=endpoint_name,
            config=config.serving,
            image=container,
            model_data_url=model_data_url(config.model, starter, data.bucket),
            role=role,
            bucket=data.bucket,
            key=data.key,
        )
        if config.serving.scaling.enabled:
            scaling = config.serving.scaling
            TargetTracking(
                self,
                "Scaling",
                scalable=ENDPOINT_INSTANCES,
                resource_id=f"endpoint/{self.endpoint.resource.attr_endpoint_name}/variant/{VARIANT}",
                minimum=scaling.min_instances,
                maximum=scaling.max_instances,
                target=scaling.target_invocations_per_minute,
                scale_out_cooldown_seconds=scaling.scale_out_cooldown_seconds,
                scale_in_cooldown_seconds=scaling.scale_in_cooldown_seconds,
            )
        CfnOutput(self, "EndpointName", value=endpoint_name, description="What InvokeEndpoint takes")
        CfnOutput(self, "ModelVersion", value=config.model.version, description="Version of the model that is served")
