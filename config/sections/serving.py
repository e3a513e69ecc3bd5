"""How the model is hosted."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.rollout import Rollout
from config.sections.scaling import Scaling
from config.sections.section import InstanceType, Section
from config.sections.variants import InstanceCount, Pipeline, Shadow, Variant


class Serverless(Section):
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144]
    """Memory of one environment; processor time grows with it."""
    max_concurrency: Annotated[int, Field(ge=1, le=200)]
    """Requests at once, each in an environment of its own; the next is told 429."""
    provisioned_concurrency: Annotated[int, Field(ge=1, le=200)] | None = None
    """Environments kept warm, billed while idle; without it the first request after a lull waits for a start."""


class Async(Section):
    target_backlog: Annotated[float, Field(gt=0, le=10_000)]
    """Requests that may wait, an instance; scaling holds it."""
    max_concurrent_per_instance: Annotated[int, Field(ge=1, le=1_000)]
    """Requests that one instance is given at once."""
    notify: bool
    """Whether topics of their own tell of each result and of each failure."""


class Serving(Section):
    mode: Literal["realtime", "serverless", "async"]
    """How the model is hosted: instances that are always on, none at all, or a queue that they may sleep behind."""
    instance_type: InstanceType
    """The endpoint's instance type; a serverless one has none."""
    instance_count: InstanceCount
    """Instances when the endpoint is first made; later deploys keep what scaling chose."""
    instance_quota: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """The account's quota of this type for endpoint usage; set, an update that needs more is warned about."""
    precision: Literal["fp32", "int8"]
    """Which of a model's networks answers: the one in 32 bits, or in 8 where its training kept one for its accuracy."""
    encrypt_volume: bool
    """Whether the instances' storage volume is encrypted with this stage's own key."""
    capture_percent: Annotated[int, Field(ge=0, le=100)]
    """Share of requests and answers stored in the bucket to watch for drift; 0 is off."""
    batch: bool
    """Whether there is a model with a role of its own for batch transform jobs; nothing runs until one is started."""
    scaling: Scaling
    serverless: Serverless | None = None
    """For mode "serverless"."""
    async_: Annotated[Async | None, Field(alias="async")] = None
    """For mode "async"."""
    rollout: Rollout | None = None
    """How an update takes over; without it all at once, and no alarm takes it back."""
    variants: list[Variant] = Field(default=[])
    """Other models for a share of the requests (A/B)."""
    shadow: Shadow | None = None
    """A model that gets copies of requests and answers nobody."""
    pipeline: Pipeline | None = None
    """Containers before and after the model's, all on the same instance."""
