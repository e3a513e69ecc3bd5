"""CORS, tokens and time of HTTP APIs, where MiniStack does otherwise than API Gateway; docs/local.md lists each.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from local import joints

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
UNAUTHORIZED = (401, {"Content-Type": "application/json"}, b'{"message":"Unauthorized"}')


LATE = (503, {"Content-Type": "application/json"}, b'{"message":"Service Unavailable"}')
DEFAULT_MS = 30_000


def install() -> None:
    joints.wrap("services.apigateway:_cors_response_headers", _cors_of_a_template_too)
    joints.wrap("services.apigateway:_cors_preflight_response", _cors_of_a_template_too)
    joints.wrap("services.apigateway:_validate_jwt_authorizer", _tokens_that_end)
    joints.wrap("services.apigateway:_invoke_lambda_proxy", _answers_in_time)


def _cors_of_a_template_too(original: Foreign, cors_cfg: Mapping[str, Foreign], origin: str) -> Foreign:
    """A template writes AllowOrigins, the API allowOrigins; MiniStack keeps either and reads the second."""
    return original({name[:1].lower() + name[1:]: value for name, value in cors_cfg.items()}, origin)


async def _tokens_that_end(
    original: Foreign, route: Foreign, authorizer: Foreign, headers: Mapping[str, str], query_params: Foreign
) -> Foreign:
    """AWS wants `exp` in the future; MiniStack takes a token without one for ever, and fails on one that is a word."""
    try:
        claims, scopes, refused = await original(route, authorizer, headers, query_params)
    except (TypeError, ValueError, AttributeError):
        return None, None, UNAUTHORIZED
    if refused is None and "exp" not in claims:
        return None, None, UNAUTHORIZED
    return claims, scopes, refused


async def _answers_in_time(
    original: Foreign, integration: Mapping[str, Foreign], *arguments: Foreign, **named: Foreign
) -> Foreign:
    """An integration's own limit, which MiniStack keeps and does not apply; the function runs to its end."""
    limit_seconds = float(integration.get("timeoutInMillis") or DEFAULT_MS) / 1000
    try:
        return await asyncio.wait_for(asyncio.shield(original(integration, *arguments, **named)), timeout=limit_seconds)
    except TimeoutError:
        return LATE
