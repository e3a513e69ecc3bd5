"""What an endpoint may serve beside its first model: others for a share of requests, a shadow, more containers."""

from typing import Annotated

from pydantic import Field

from config.sections.model import ArtifactKey
from config.sections.section import InstanceType, PartName, Section

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
InstanceCount = Annotated[int, Field(ge=1, le=100)]


class Variant(Section):
    name: PartName
    """What answers and metrics call it."""
    artifact: ArtifactKey
    """The model that it serves, as in model.artifact."""
    version: Version
    """The registry version that the artifact came from."""
    weight_percent: Annotated[int, Field(ge=0, le=100)]
    """Its share of the requests; the first model gets what the others leave."""
    instance_type: InstanceType | None = None
    """Its instance type; by default serving.instance_type."""
    instance_count: InstanceCount = 1
    """Its instances when first made."""


class Shadow(Section):
    artifact: ArtifactKey
    """The model that is tried out, as in model.artifact; nobody sees its answers."""
    version: Version
    """The registry version that the artifact came from."""
    percent: Annotated[int, Field(ge=1, le=100)]
    """Share of the requests that it gets a copy of."""
    instance_type: InstanceType | None = None
    """Its instance type; by default serving.instance_type."""
    instance_count: InstanceCount = 1
    """Its instances when first made."""


class Container(Section):
    name: PartName
    """What logs and metrics call it."""
    image: str
    """Its image in ECR, in this stage's region; best pinned as ...@sha256:..."""
    artifact: ArtifactKey | None = None
    """Its model data, if it has any, as in model.artifact."""


class Pipeline(Section):
    before: list[Container] = Field(default=[])
    """Containers that a request passes on its way to the model, in order."""
    after: list[Container] = Field(default=[])
    """Containers that the model's answer passes, in order."""
