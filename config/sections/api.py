"""The prediction API and its function."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import LogDays, Section

# A host's full name, never an address; "*.example.com" stands for every host below.
HostName = Annotated[
    str, Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
]


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
