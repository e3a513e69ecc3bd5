"""How the model is hosted and scaled."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import InstanceType, Section


class Scaling(Section):
    enabled: bool
    """Whether the endpoint's instance count follows its load."""
    min_instances: Annotated[int, Field(ge=1, le=100)]
    """Never fewer instances than this; each is billed by the second."""
    max_instances: Annotated[int, Field(ge=1, le=100)]
    """Never more instances than this: the ceiling of the bill."""
    target_invocations_per_minute: Annotated[float, Field(gt=0, le=1_000_000)]
    """Requests a minute and instance that scaling holds: what one instance can do a second x 60 x 0.5 to start."""
    scale_out_cooldown_seconds: Annotated[int, Field(ge=0, le=3600)]
    """Seconds after a scale-out in which only a larger one may follow."""
    scale_in_cooldown_seconds: Annotated[int, Field(ge=0, le=3600)]
    """Seconds after a scale-in before the next."""


class Serving(Section):
    mode: Literal["realtime"]
    """How the model is hosted."""
    instance_type: InstanceType
    """The endpoint's instance type."""
    instance_count: Annotated[int, Field(ge=1, le=100)]
    """Instances when the endpoint is first made; later deploys keep what scaling chose."""
    encrypt_volume: bool
    """Whether the instances' storage volume is encrypted with this stage's own key."""
    capture_percent: Annotated[int, Field(ge=0, le=100)]
    """Share of requests and answers stored in the bucket to watch for drift; 0 is off."""
    scaling: Scaling
