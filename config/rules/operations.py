"""Who is told, what can ring at all, and what GitHub's tokens say."""

from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.api import Api
from config.sections.operations import Operations


@rule("operations")
def a_budget_tells_somebody(operations: Operations) -> Iterator[Finding]:
    if operations.monthly_budget_usd is not None and not operations.emails:
        message = "tells nobody while operations.emails is empty; name an address there, or remove it"
        yield Finding("operations.monthly_budget_usd", operations.monthly_budget_usd, message)


@rule("operations", "api")
def latency_alarm_can_ring(operations: Operations, api: Api) -> Iterator[Finding]:
    limit, waited = operations.alarms.latency_p99_ms, api.invoke_timeout_seconds * 1000
    if limit >= waited:
        message = (
            f"is not below api.invoke_timeout_seconds = {api.invoke_timeout_seconds}, after which the function has "
            "given up; callers would see errors before this rings; lower it"
        )
        yield Finding("operations.alarms.latency_p99_ms", limit, message, refused=False)


@rule("operations")
def idle_box_is_seen_in_time(operations: Operations) -> Iterator[Finding]:
    idle = operations.idle
    if idle.sweep != "off" and idle.every_minutes > idle.box_idle_minutes:
        message = (
            f"is above operations.idle.box_idle_minutes = {idle.box_idle_minutes}, so that an idle box runs on until "
            "the next look; lower it"
        )
        yield Finding("operations.idle.every_minutes", idle.every_minutes, message, refused=False)


@rule("operations")
def data_events_need_a_trail(operations: Operations) -> Iterator[Finding]:
    if operations.trail.data_events and not operations.trail.enabled:
        message = "is recorded by no trail while operations.trail.enabled = false; set that to true, or this to false"
        yield Finding("operations.trail.data_events", True, message)


@rule("operations")
def github_names_who_may_deploy(operations: Operations) -> Iterator[Finding]:
    github = operations.github
    if github.provider == "none":
        given = {"repository": github.repository, "environment": github.environment, "branch": github.branch}
        for key, value in given.items():
            if value is not None:
                message = 'has no effect with operations.github.provider = "none"; remove it or set provider'
                yield Finding(f"operations.github.{key}", value, message)
        if github.diff_pull_requests:
            message = 'has no effect with operations.github.provider = "none"; set it to false or set provider'
            yield Finding("operations.github.diff_pull_requests", True, message)
        return
    if github.repository is None:
        message = "needs operations.github.repository, or any repository of GitHub's could deploy; name yours"
        yield Finding("operations.github.provider", github.provider, message)
    if (github.environment is None) == (github.branch is None):
        message = (
            "needs either operations.github.environment or operations.github.branch: a token names one of the two, "
            "and the role trusts it to the letter; set exactly one"
        )
        yield Finding("operations.github.provider", github.provider, message)


@rule("operations")
def immutable_numbers_come_in_pairs(operations: Operations) -> Iterator[Finding]:
    repository = operations.github.repository
    if repository is not None and repository.count("@") == 1:
        message = (
            'carries a number for one of owner and name; GitHub\'s tokens carry both or none: "owner/name" or '
            '"owner@123/name@456"'
        )
        yield Finding("operations.github.repository", repository, message)
