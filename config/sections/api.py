"""The prediction API and its function."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import LogDays, Section

# A host's full name, never an address; "*.example.com" stands for every host below.
HostName = Annotated[
    str, Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
]
# The beginning of an address, as a browser names where a page came from; "*" is any page at all.
Origin = Annotated[
    str, Field(pattern=r"^(\*|https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?)$")
]
Claim = Annotated[str, Field(pattern=r"^[^\s,]+$", max_length=256)]


class Jwt(Section):
    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$")]
    """Who issues the tokens, exactly as in their "iss"; its keys are found below /.well-known/openid-configuration."""
    audience: Annotated[list[Claim], Field(min_length=1, max_length=50)]
    """Whom tokens are for: a token's "aud" (or "client_id", where it has none) must be one of these."""
    scopes: Annotated[list[Claim], Field(max_length=10)]
    """A token must carry one of these; empty: any token of this issuer for this audience will do."""


class Cors(Section):
    origins: Annotated[list[Origin], Field(min_length=1, max_length=100)]
    """Pages of which sites may call the API from a browser, as "https://app.example.com"; "*" alone is any site."""
    max_age_seconds: Annotated[int, Field(ge=0, le=86_400)]
    """How long a browser remembers that it may."""


class Canary(Section):
    percent: Annotated[int, Field(ge=1, le=50)]
    """Share of the calls that a changed function gets at first."""
    minutes: Annotated[int, Field(ge=1, le=2_880)]
    """How long it must do without an alarm before it gets the rest."""


class Concurrency(Section):
    reserved: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Ceiling of simultaneous invocations, taken from the account's limit; none by default."""
    provisioned_min: Annotated[int, Field(ge=0, le=10_000)]
    """Environments kept warm at least, billed while idle; 0 is off."""
    provisioned_max: Annotated[int, Field(ge=0, le=10_000)]
    """Environments kept warm at most, when use calls for more."""
    provisioned_utilization: Annotated[float, Field(ge=0.1, le=0.9)]
    """Share of the warm environments in use that scaling holds."""
    typical_call_ms: Annotated[int, Field(ge=1, le=30_000)]
    """How long a call takes, its wait for the endpoint included; only to check that `reserved` can fill an instance."""


class Api(Section):
    auth: Literal["iam", "jwt", "none"]
    """Who may predict: "iam" demands a signed request, "jwt" a token as [api.jwt] says; "none" is open to anyone."""
    throttle_requests_per_second: Annotated[int, Field(ge=1, le=10_000)]
    """Predictions a second above which callers are told 429."""
    throttle_burst: Annotated[int, Field(ge=1, le=5_000)]
    """Predictions that may be asked for at once before that rate applies."""
    open_requests_per_second: Annotated[int, Field(ge=1, le=10_000)]
    """The same for the routes that are open to anyone, together: the page, the health check, the API's description."""
    open_burst: Annotated[int, Field(ge=1, le=5_000)]
    """Requests to those that may come at once."""
    memory_mb: Annotated[int, Field(ge=128, le=10_240)]
    """The predict function's memory; processor time grows with it."""
    gateway_timeout_seconds: Annotated[int, Field(ge=4, le=29)]
    """When the gateway gives the function up; an HTTP API waits no longer than 29 s that a template may ask for."""
    timeout_seconds: Annotated[int, Field(ge=3, le=28)]
    """The predict function's time limit."""
    invoke_timeout_seconds: Annotated[int, Field(ge=1, le=27)]
    """How long the function waits for the endpoint."""
    fetch_timeout_seconds: Annotated[int, Field(ge=1, le=26)]
    """How long the function may take to fetch a linked image, all told."""
    max_image_bytes: Annotated[int, Field(ge=1_024, le=4_500_000)]
    """The largest image accepted in a request; Lambda's 6 MB event holds 4.5 MB of image in base64."""
    max_images: Annotated[int, Field(ge=1, le=20)]
    """Images that one request may hold; the endpoint is asked for them side by side."""
    max_upload_bytes: Annotated[int, Field(ge=0, le=25_000_000)]
    """The largest image that may be uploaded to the bucket first and then be named; 0 takes none."""
    upload_seconds: Annotated[int, Field(ge=10, le=3_600)]
    """How long the signed URL for an upload can be used; it ends earlier when the function's credentials do."""
    allowed_image_hosts: list[HostName]
    """The only hosts from which linked images are fetched, as "images.example.com" or "*.example.com"; empty: any."""
    top_k: Annotated[int, Field(ge=1, le=100)]
    """Predictions in an answer when the caller does not say how many."""
    metrics: bool
    """Whether the function's log lines are metrics as well: times, bytes, and a count for each outcome."""
    tracing: bool
    """Whether X-Ray follows requests through the function."""
    log_days: LogDays
    """Days for which the function's and the API's logs are kept."""
    concurrency: Concurrency
    jwt: Jwt | None = None
    """For auth "jwt"."""
    cors: Cors | None = None
    """Lets pages of other sites call the API; without it browsers allow the API's own page alone."""
    canary: Canary | None = None
    """Has CodeDeploy give a changed function a share of the calls first, and take it back when an alarm goes off."""
