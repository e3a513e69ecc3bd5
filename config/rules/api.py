"""Timeouts, concurrency and throttling of the API."""

import math
from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.api import Api
from config.sections.serving import Serving

# What InvokeEndpoint takes for a serverless endpoint.
SERVERLESS_BODY_BYTES = 4_000_000


@rule("api")
def timeouts_are_ordered(api: Api) -> Iterator[Finding]:
    """A limit further in must end first, or the caller gets the outer one's mute error."""
    if api.fetch_timeout_seconds >= api.invoke_timeout_seconds:
        message = (
            f"must be below api.invoke_timeout_seconds = {api.invoke_timeout_seconds}: a linked image must not take "
            "the time that the model needs; lower it or raise that"
        )
        yield Finding("api.fetch_timeout_seconds", api.fetch_timeout_seconds, message)
    inner = api.fetch_timeout_seconds + api.invoke_timeout_seconds
    if inner >= api.timeout_seconds:
        message = (
            f"must exceed api.fetch_timeout_seconds + api.invoke_timeout_seconds = {inner}, since both happen "
            f"within it; raise it (below api.gateway_timeout_seconds = {api.gateway_timeout_seconds}) or lower one of "
            "them"
        )
        yield Finding("api.timeout_seconds", api.timeout_seconds, message)
    if api.timeout_seconds >= api.gateway_timeout_seconds:
        message = f"must exceed api.timeout_seconds = {api.timeout_seconds}; raise it (up to 29) or lower that"
        yield Finding("api.gateway_timeout_seconds", api.gateway_timeout_seconds, message)


@rule("api")
def uploads_are_for_larger_images(api: Api) -> Iterator[Finding]:
    if 0 < api.max_upload_bytes <= api.max_image_bytes:
        message = (
            f"is not above api.max_image_bytes = {api.max_image_bytes}, which a request holds by itself; raise it, or "
            "set it to 0 for no uploads"
        )
        yield Finding("api.max_upload_bytes", api.max_upload_bytes, message)


@rule("api", "serving")
def a_serverless_endpoint_takes_what_the_api_lets_through(api: Api, serving: Serving) -> Iterator[Finding]:
    if serving.mode != "serverless":
        return
    for key in ("max_image_bytes", "max_upload_bytes"):
        if getattr(api, key) > SERVERLESS_BODY_BYTES:
            message = (
                f"is more than the {SERVERLESS_BODY_BYTES} bytes that a serverless endpoint takes; lower it, or larger "
                "images are refused late"
            )
            yield Finding(f"api.{key}", getattr(api, key), message, refused=False)


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
    for rate_key, rate, key, burst in (
        ("throttle_requests_per_second", api.throttle_requests_per_second, "throttle_burst", api.throttle_burst),
        ("open_requests_per_second", api.open_requests_per_second, "open_burst", api.open_burst),
    ):
        if burst > 10 * rate:
            message = f"is more than ten seconds of api.{rate_key} = {rate}; that will rarely apply"
            yield Finding(f"api.{key}", burst, message, refused=False)


@rule("api")
def tokens_are_checked_against_something(api: Api) -> Iterator[Finding]:
    if api.auth == "jwt" and api.jwt is None:
        message = 'needs [api.jwt] with issuer, audience and scopes; add it, or choose "iam"'
        yield Finding("api.auth", api.auth, message)
    if api.auth != "jwt" and api.jwt is not None:
        message = f'has no effect while api.auth = "{api.auth}"; set that to "jwt", or remove [api.jwt]'
        yield Finding("api.jwt.issuer", api.jwt.issuer, message)


@rule("api")
def any_origin_stands_alone(api: Api) -> Iterator[Finding]:
    """No credentials (cookies) are ever allowed across origins, so that "*" can never stand together with them."""
    if api.cors is None or "*" not in api.cors.origins:
        return
    if len(api.cors.origins) > 1:
        yield Finding("api.cors.origins", api.cors.origins, 'the "*" lets in every site; remove it or the others')
    if api.auth == "none":
        message = "lets a page of any site predict in its visitors' browsers, unsigned; name the sites, or set api.auth"
        yield Finding("api.cors.origins", api.cors.origins, message, refused=False)


@rule("api")
def canary_and_warm_environments_exclude_each_other(api: Api) -> Iterator[Finding]:
    if api.canary and api.concurrency.provisioned_min > 0:
        message = (
            f"cannot be used with api.concurrency.provisioned_min = {api.concurrency.provisioned_min}: Lambda keeps no "
            "environments warm for an alias that is split between two versions; set that to 0, or remove [api.canary]"
        )
        yield Finding("api.canary.percent", api.canary.percent, message)


@rule("api", "serving")
def function_does_not_throttle_before_one_instance_is_full(api: Api, serving: Serving) -> Iterator[Finding]:
    own, target = api.concurrency, serving.scaling.target_invocations_per_minute
    if own.reserved is None or target is None or not serving.scaling.enabled:
        return
    ceiling = own.reserved * 60_000 / own.typical_call_ms
    if ceiling < target:
        needed = math.ceil(target * own.typical_call_ms / 60_000)
        message = (
            f"carries {ceiling:.0f} calls a minute at api.concurrency.typical_call_ms = {own.typical_call_ms}, fewer "
            f"than serving.scaling.target_invocations_per_minute = {target:g}: Lambda answers 429 before one instance "
            f"is full; raise it to {needed} or more"
        )
        yield Finding("api.concurrency.reserved", own.reserved, message, refused=False)
