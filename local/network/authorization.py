"""IAM's part of a way: condition keys of a request from a VPC, and the policy of the endpoint that it passes."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local import joints
from local.network import origins
from local.network.reachability import Way

# MiniStack is untyped: its functions and what they answer.
Foreign = Any


@dataclass(frozen=True)
class Passage:
    """A request under way: whose, to which of MiniStack's services, and how it came."""

    access_key: str
    service: str
    way: Way

    def condition_keys(self) -> dict[str, str]:
        """Of a VPC endpoint; on other ways AWS knows the public address alone."""
        if not self.way.endpoint:
            return {}
        return {
            "aws:SourceVpc": self.way.vpc,
            "aws:SourceVpce": self.way.endpoint,
            "aws:VpcSourceIp": self.way.source,
        }

    def source_address(self) -> str | None:
        """aws:SourceIp, which a request through an endpoint does not have; "" where nobody knows it."""
        return None if self.way.endpoint else self.way.source


_current: contextvars.ContextVar[Passage | None] = contextvars.ContextVar("passage", default=None)
# The last refusal by an endpoint's policy: action, caller, and the sentence that says so.
_refusal: contextvars.ContextVar[tuple[str, str, str] | None] = contextvars.ContextVar("endpoint_refusal", default=None)


@contextlib.contextmanager
def passing(passage: Passage) -> Iterator[None]:
    token = _current.set(passage)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Passage | None:
    return _current.get()


def install() -> None:
    """After the hardening, so that all that it asks for is asked as the request's own caller."""
    joints.wrap("core.iam_evaluator:enforce", _enforce)
    joints.wrap("core.iam_actions:identity_denial_message", _name_the_endpoint)
    joints.wrap("core.iam_actions:access_denied_response", _say_the_endpoint)
    joints.wrap("services.sts:register_session", _tie_session)


def _enforce(  # noqa: PLR0917 - MiniStack's signature
    original: Foreign,
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: Mapping[str, Foreign] | None = None,
) -> Foreign:
    passage = _current.get()
    if passage is None or passage.access_key != access_key_id:
        return original(access_key_id, iam_action, service, region, resource_arn, service_context)
    _refusal.set(None)
    context = {**(service_context or {}), **passage.condition_keys()}
    with joints.coming_from(passage.source_address()):
        found = original(access_key_id, iam_action, service, region, resource_arn, context)
        if found is not None or not passage.way.endpoint or not _is_call(iam_action, passage.service):
            return found
        refused = joints.policy_refusal(passage.way.policy, access_key_id, iam_action, region, resource_arn, context)
    if refused is not None:
        _refusal.set((iam_action, refused.principal_arn, _sentence(refused, iam_action, resource_arn)))
    return refused


def _is_call(action: str, service: str) -> bool:
    """Not iam:PassRole or kms:CreateGrant, which a service asks about by itself, behind its endpoint."""
    return action.split(":", 1)[0] == joints.iam_namespace(service)


def _sentence(refused: Foreign, action: str, resource: str) -> str:
    reason = (
        "with an explicit deny in a VPC endpoint policy"
        if refused.decision == "Deny"
        else f"because no VPC endpoint policy allows the {action} action"
    )
    return f"User: {refused.principal_arn} is not authorized to perform: {action} on resource: {resource} {reason}"


def _name_the_endpoint(original: Foreign, action: str, principal_arn: str, resource: str, explicit_deny: bool) -> str:
    refusal = _refusal.get()
    if refusal is not None and refusal[:2] == (action, principal_arn):
        return refusal[2]
    return str(original(action, principal_arn, resource, explicit_deny))


def _say_the_endpoint(
    original: Foreign, service: str, action: str, principal_arn: str, *rest: Foreign, **more: Foreign
) -> Foreign:
    refusal = _refusal.get()
    if refusal is not None and refusal[:2] == (action, principal_arn) and not more.get("error_code"):
        more["message"] = refusal[2]
    return original(service, action, principal_arn, *rest, **more)


def _tie_session(original: Callable[..., object], access_key: str, session: object) -> object:
    """A session that is taken with a tied key is used where that key is."""
    passage = _current.get()
    origin = origins.origin_of(passage.access_key) if passage is not None and passage.service == "sts" else None
    if origin is not None:
        origins.tie(access_key, origin)
    return original(access_key, session)
