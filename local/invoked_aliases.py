"""Calls of a function by its alias: a version drawn by the alias's weights, and the alias told to the function.

MiniStack keeps an alias's RoutingConfig and sends every call to the version that the alias names.
"""

import contextvars
import random
from collections.abc import Callable, Mapping
from typing import Any

from local import joints, joints_lambda
from local.records import Document, Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
# The alias by which a version is called directly: MiniStack is then told the version alone.
_called_by: contextvars.ContextVar[str] = contextvars.ContextVar("called_by_alias", default="")


def install() -> None:
    joints.wrap("services.lambda_svc:_invoke", _invoke)
    joints.wrap("services.lambda_svc:_get_func_record_for_ref", _found_for_a_service)


def version(alias: Document, drawn: Callable[[], float] = random.random) -> str:
    """The version that one call gets; `drawn` is below 1."""
    rest = drawn()
    for other, share in weights(alias).items():
        if rest < share:
            return other
        rest -= share
    return str(alias["FunctionVersion"])


def weights(alias: Mapping[str, Foreign]) -> dict[str, float]:
    """Of the versions beside the one that it names."""
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def called_by() -> str:
    """The alias by which the invocation under way was asked for, where its record does not say so."""
    return _called_by.get()


async def _invoke(  # noqa: PLR0917 - MiniStack's signature
    original: Callable[..., Foreign],
    name: str,
    event: Foreign,
    headers: Mapping[str, str],
    path_qualifier: str | None = None,
    query_params: Mapping[str, Foreign] | None = None,
) -> Foreign:
    place = Scope(joints.account(), joints.current_region())
    asked = path_qualifier or joints_lambda.qualifier(headers, query_params or {}) or ""
    alias = joints_lambda.alias(place, name, asked)
    if alias is None or not weights(alias):
        return await original(name, event, headers, path_qualifier, query_params)
    token = _called_by.set(asked)
    try:
        return await original(name, event, headers, version(alias), query_params)
    finally:
        _called_by.reset(token)


def _found_for_a_service(original: Callable[..., Foreign], reference: str) -> Foreign:
    """(record, configuration, name): what API Gateway, EventBridge, S3 and others then run."""
    record, config, name = original(reference)
    asked = str(reference).rsplit(f"{name}:", 1)[-1] if f"{name}:" in str(reference) else ""
    if not record or not asked or not config:
        return record, config, name
    region, account = config["FunctionArn"].split(":")[3:5]
    place = Scope(account, region)
    alias = joints_lambda.alias(place, name, asked)
    if alias is None:
        return record, config, name
    record = joints_lambda.version_record(place, name, version(alias)) or record
    return record, {**record["config"], "FunctionArn": alias["AliasArn"]}, name
