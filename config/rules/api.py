"""Timeouts, concurrency and throttling of the API."""

from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.api import Api

GATEWAY_TIMEOUT_SECONDS = 30


@rule("api")
def timeouts_are_ordered(api: Api) -> Iterator[Finding]:
    """A limit further in must end first, or the caller gets the outer one's mute error."""
    inner = api.fetch_timeout_seconds + api.invoke_timeout_seconds
    if inner >= api.timeout_seconds:
        message = (
            f"must exceed api.fetch_timeout_seconds + api.invoke_timeout_seconds = {inner}, since both happen "
            f"within it; raise it (below {GATEWAY_TIMEOUT_SECONDS}) or lower one of them"
        )
        yield Finding("api.timeout_seconds", api.timeout_seconds, message)


@rule("api")
def provisioned_lies_within_reserved(api: Api) -> Iterator[Finding]:
    own = api.concurrency
    if own.provisioned_min > own.provisioned_max:
        message = f"is above api.concurrency.provisioned_max = {own.provisioned_max}; raise the one or lower the other"
        yield Finding("api.concurrency.provisioned_min", own.provisioned_min, message)
    if own.reserved is not None and own.provisioned_max > own.reserved:
        message = f"is above api.concurrency.reserved = {own.reserved}, which Lambda refuses; lower it or raise that"
        yield Finding("api.concurrency.provisioned_max", own.provisioned_max, message)
    if own.provisioned_min == 0 and own.provisioned_max > 0:
        message = "has no effect while api.concurrency.provisioned_min = 0; set that to 1 or more, or this to 0"
        yield Finding("api.concurrency.provisioned_max", own.provisioned_max, message)


@rule("api")
def throttle_burst_is_not_far_above_its_rate(api: Api) -> Iterator[Finding]:
    if api.throttle_burst > 10 * api.throttle_requests_per_second:
        rate = api.throttle_requests_per_second
        message = f"is more than ten seconds of api.throttle_requests_per_second = {rate}; that will rarely apply"
        yield Finding("api.throttle_burst", api.throttle_burst, message, refused=False)
