"""A model's containers: the classifier alone, or between others as an inference pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from config.names import CLASSIFIER
from config.sections.variants import Container, Pipeline
from stacks.constructs.instances_network import InstancesNetwork
from stacks.constructs.model_data import model_data_url
from stacks.constructs.serving_image import ServingImage, given_image
from stacks.constructs.tar_asset import TarAsset

Definition = sagemaker.CfnModel.ContainerDefinitionProperty


@dataclass(frozen=True)
class Containers:
    """What every model of the stage is made of; only the artefact and the role differ."""

    image: ServingImage
    precision: str
    pipeline: Pipeline | None
    starter: TarAsset
    bucket: s3.IBucket
    network: InstancesNetwork | None

    @property
    def repositories(self) -> list[str]:
        """Where a role must be allowed to pull."""
        others = [given_image(one.image).repository_arn for one in (*self._before, *self._after)]
        return list(dict.fromkeys([self.image.repository_arn, *others]))

    def model(
        self, scope: Construct, id: str, *, artifact: str, role: iam.IRole, serverless: bool = False
    ) -> sagemaker.CfnModel:
        url = model_data_url(artifact, self.starter, self.bucket)
        others = bool(self._before or self._after)
        classifier = Definition(
            image=self.image.uri,
            model_data_url=url,
            container_hostname=CLASSIFIER if others else None,
            environment={"WHIPPET_SERVING_PRECISION": self.precision},
        )
        sequence = [*map(self._other, self._before), classifier, *map(self._other, self._after)]
        return sagemaker.CfnModel(
            scope,
            id,
            execution_role_arn=role.role_arn,
            # Containers need nothing from outside: SageMaker brings the model and takes logs and captures away. A
            # serverless endpoint refuses the setting.
            enable_network_isolation=None if serverless else True,
            primary_container=None if others else classifier,
            containers=sequence if others else None,
            vpc_config=self.network.vpc_config if self.network else None,
        )

    @property
    def _before(self) -> Sequence[Container]:
        return self.pipeline.before if self.pipeline else []

    @property
    def _after(self) -> Sequence[Container]:
        return self.pipeline.after if self.pipeline else []

    def _other(self, one: Container) -> Definition:
        url = model_data_url(one.artifact, self.starter, self.bucket) if one.artifact else None
        return Definition(image=one.image, model_data_url=url, container_hostname=one.name)
