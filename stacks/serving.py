"""The model behind an endpoint that scales, and for batches."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from config import StageConfig
from config.names import VARIANT, Names
from stacks.constructs import source_folders
from stacks.constructs.async_topics import AsyncTopics
from stacks.constructs.batch_transform import BatchRole
from stacks.constructs.containers import Containers
from stacks.constructs.endpoint_scaling import EndpointScaling
from stacks.constructs.hosting_role import HostingRole
from stacks.constructs.instances_network import InstancesNetwork
from stacks.constructs.live_model import LiveModel
from stacks.constructs.model_endpoint import ModelEndpoint, role_noun, variant_names
from stacks.constructs.placement import Placement
from stacks.constructs.rollback_alarms import RollbackAlarms
from stacks.constructs.serving_image import serving_image
from stacks.constructs.tar_asset import TarAsset
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
        placement: Placement | None = None,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Whippet's model behind a scaled endpoint")
        own, endpoint_name = config.serving, names.endpoint(config.serving.mode)
        containers = Containers(
            image=serving_image(self, config.image, image.builder if image else None),
            precision=own.precision,
            pipeline=own.pipeline,
            starter=TarAsset(self, "StarterModel", path=source_folders.STARTER_MODEL),
            bucket=data.bucket,
            network=InstancesNetwork(self, "Instances", placement=placement) if placement else None,
        )
        topics = AsyncTopics(self, "Results", key=data.key) if own.async_ is not None and own.async_.notify else None
        alarms = (
            RollbackAlarms(
                self,
                "Rollback",
                config=own.rollout.alarms,
                endpoint_name=endpoint_name,
                variants=variant_names(own),
            )
            if own.rollout is not None and own.rollout.alarms is not None
            else None
        )
        role = HostingRole(
            self,
            "HostingRole",
            endpoint_name=endpoint_name,
            containers=containers,
            bucket=data.bucket,
            key=data.key,
            captures=own.capture_percent > 0,
            queues=own.mode == "async",
            topics=topics,
            alarm_arns=alarms.arns if alarms else [],
        )
        self.endpoint = ModelEndpoint(
            self,
            # An endpoint cannot change its mode: in another one it is another resource.
            "Hosting" if own.mode == "realtime" else f"{own.mode.capitalize()}Hosting",
            endpoint_name=endpoint_name,
            model=config.model,
            config=own,
            containers=containers,
            role=role,
            bucket=data.bucket,
            key=data.key,
            topics=topics,
            alarms=alarms,
        )
        if own.scaling.enabled and not own.scaling.paused:
            for variant in variant_names(own):
                scaled = "Scaling" if variant == VARIANT else f"{role_noun(variant)}Scaling"
                EndpointScaling(self, scaled, config=own, endpoint=self.endpoint, variant=variant)
        if own.batch:
            self._batch(config, data, containers)
        # After everything else, so that no failure elsewhere in the stack takes it back: it tells what was served.
        live = LiveModel(self, "LiveModel", model=config.model, after=list(self.node.children))
        CfnOutput(self, "EndpointName", value=endpoint_name, description="What InvokeEndpoint takes")
        CfnOutput(self, "ModelVersion", value=config.model.version, description="Version of the model that is served")
        CfnOutput(self, "LiveModelRecord", value=live.name, description="aws ssm get-parameter-history --name")
        if topics is not None:
            CfnOutput(self, "SuccessTopicArn", value=topics.success.topic_arn, description="Tells of each result")
            CfnOutput(self, "ErrorTopicArn", value=topics.error.topic_arn, description="Tells of each failure")

    def _batch(self, config: StageConfig, data: DataStack, containers: Containers) -> None:
        role = BatchRole(
            self,
            "BatchRole",
            containers=containers,
            bucket=data.bucket,
            key=data.key,
        )
        model = containers.model(self, "BatchModel", artifact=config.model.artifact, role=role)
        CfnOutput(self, "BatchModelName", value=model.attr_model_name, description="What a batch transform job runs")
