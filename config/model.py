"""The typed shape of a stage file. Bounds that concern one key live in its type; what concerns two lives in rules.py.

The text below a field is its description in the JSON schema that editors show: `make schema` writes it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[1-9]$")]
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
ArtifactKey = Annotated[str, Field(pattern=r"^(starter|models/[0-9a-f]{64}/model\.tar\.gz)$")]
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.(medium|large|xlarge|[0-9]+xlarge)$")]
Days = Annotated[int, Field(ge=1, le=3650)]
# A host's full name, never an address; "*.example.com" stands for every host below.
HostName = Annotated[
    str, Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
]
# What CloudWatch Logs accepts as a retention.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Stage(Section):
    project: Name
    """First part of every name that AWS makes us choose."""
    region: Region
    """Where everything is deployed."""
    account: AccountId | None = None
    """The only account this stage may be deployed to; without it, the account of the credentials in use."""
    protect: bool
    """Termination protection for the stack that holds data."""
    retain_data: bool
    """Whether the bucket, its key and the images outlive `cdk destroy`; if not, a bucket must be emptied first."""


class Data(Section):
    noncurrent_days: Days
    """Days for which an overwritten or deleted object can still be brought back; storage is billed for them."""
    capture_days: Days
    """Days for which captured requests and answers are kept."""
    access_log_days: Days
    """Days for which the bucket's access log is kept."""


class Image(Section):
    source: Literal["codebuild", "docker", "uri"]
    """Who builds the serving image: CodeBuild in the account, Docker where cdk runs, or nobody (a given URI)."""
    uri: str | None = None
    """The image in ECR, in this stage's region, when source is "uri"; best pinned as ...@sha256:..."""


class Model(Section):
    artifact: ArtifactKey
    """What is served: "starter", or the content-addressed key of a model.tar.gz in this stage's bucket."""
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
    """The registry version that the artifact came from; shown in the template's diff."""


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


class Concurrency(Section):
    reserved: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Ceiling of simultaneous invocations, taken from the account's limit; none by default."""
    provisioned_min: Annotated[int, Field(ge=0, le=10_000)]
    """Environments kept warm at least, billed while idle; 0 is off."""
    provisioned_max: Annotated[int, Field(ge=0, le=10_000)]
    """Environments kept warm at most, when use calls for more."""
    provisioned_utilization: Annotated[float, Field(ge=0.1, le=0.9)]
    """Share of the warm environments in use that scaling holds."""


class Api(Section):
    auth: Literal["iam", "none"]
    """Who may call POST /predict: "iam" demands a signed request; "none" is open to anyone who finds the address."""
    throttle_requests_per_second: Annotated[int, Field(ge=1, le=10_000)]
    """Requests a second, over all routes, above which callers are told 429."""
    throttle_burst: Annotated[int, Field(ge=1, le=5_000)]
    """Requests that may come at once before that rate applies."""
    memory_mb: Annotated[int, Field(ge=128, le=10_240)]
    """The predict function's memory; processor time grows with it."""
    timeout_seconds: Annotated[int, Field(ge=3, le=29)]
    """The predict function's time limit; the gateway gives up after 30 s."""
    invoke_timeout_seconds: Annotated[int, Field(ge=1, le=28)]
    """How long the function waits for the endpoint."""
    fetch_timeout_seconds: Annotated[int, Field(ge=1, le=27)]
    """How long the function may take to fetch a linked image, all told."""
    max_image_bytes: Annotated[int, Field(ge=1_024, le=4_500_000)]
    """The largest image accepted; Lambda's 6 MB event holds 4.5 MB of image in base64."""
    allowed_image_hosts: list[HostName]
    """The only hosts from which linked images are fetched, as "images.example.com" or "*.example.com"; empty: any."""
    top_k: Annotated[int, Field(ge=1, le=100)]
    """Predictions in an answer when the caller does not say how many."""
    log_days: LogDays
    """Days for which the function's and the API's logs are kept."""
    concurrency: Concurrency


class StageConfig(Section):
    """A Whippet stage: everything that a person sets, in one file."""

    stage: Stage
    data: Data
    image: Image
    model: Model
    serving: Serving
    api: Api
