"""Who watches the stage: alarms, the bill, what stands idle, who did what, and who may deploy it."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import Days, Section

# What a mail server takes; whether anybody reads it, only the confirmation tells.
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$", max_length=254)]
Percent = Annotated[float, Field(gt=0, le=100)]
# The name alone, or with GitHub's immutable numbers as they stand in the tokens of newer repositories.
Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$")]
GitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
Minutes = Annotated[int, Field(ge=5, le=1440)]


class Alarms(Section):
    error_percent: Percent
    """Share of failed requests, at the endpoint, the API and the function, above which an alarm rings."""
    error_min_requests: Annotated[int, Field(ge=1, le=100_000)]
    """Requests in a minute below which that share is not looked at: one failure of one request is no trend."""
    latency_p99_ms: Annotated[int, Field(ge=1, le=60_000)]
    """The model's slowest percent of answers, in milliseconds, above which an alarm rings."""
    memory_percent: Percent
    """Memory in use on the endpoint's instances above which an alarm rings."""
    throttles_per_minute: Annotated[int, Field(ge=0, le=1_000_000)]
    """Calls a minute that Lambda may turn away for want of concurrency before an alarm rings."""
    backlog_requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """Requests waiting at an asynchronous endpoint above which an alarm rings; other modes have no queue."""
    backlog_age_seconds: Annotated[int, Field(ge=1, le=21_600)]
    """Age of the oldest request waiting at an asynchronous endpoint above which an alarm rings."""


class Idle(Section):
    sweep: Literal["off", "report", "stop"]
    """What is done about idle resources: nothing, a message, or the box and the notebook are stopped as well."""
    every_minutes: Minutes
    """How often the sweep looks."""
    box_idle_minutes: Minutes
    """Minutes without work after which the box is idle."""
    box_cpu_percent: Percent
    """Processor use, of all its cores, below which the box does no work."""
    notebook_hours: Annotated[int, Field(ge=1, le=168)]
    """Hours after its start at which a notebook is idle; from outside nobody sees whether it is used."""
    endpoint_idle_days: Annotated[int, Field(ge=1, le=15)]
    """Days without a request after which the endpoint is reported; the sweep never touches it."""
    stopped_days: Annotated[int, Field(ge=1, le=365)]
    """Days after which the volumes of a stopped box are reported: they go on billing."""


class Trail(Section):
    enabled: bool
    """Whether CloudTrail records every management call of the account in this region."""
    data_events: bool
    """Whether it also records each read and write of the stage's bucket."""
    keep_days: Days
    """Days for which the record is kept."""


class Github(Section):
    provider: Literal["none", "create", "import"]
    """GitHub's identity provider: not used, made by this stage, or already in the account, which can hold one only."""
    repository: Repository | None = None
    """Whose workflows may deploy: "owner/name", or "owner@123/name@456" where its tokens carry immutable numbers."""
    environment: GitName | None = None
    """The GitHub environment from which deploys are taken, where reviewers and branches are set; or name a branch."""
    branch: GitName | None = None
    """The branch from which deploys are taken; or name an environment."""
    diff_pull_requests: bool
    """Whether pull requests get a role that reads the account, for `cdk diff`; forks never get it."""


class Operations(Section):
    emails: list[Email]
    """Who hears of alarms, failures and idle resources; each address must confirm once."""
    dashboard: bool
    """Whether there is a dashboard."""
    monthly_budget_usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """What the stage may cost a month; told when the forecast or 80 % of it is reached. Stops nothing."""
    alarms: Alarms
    idle: Idle
    trail: Trail
    github: Github
