"""Findings of cdk-nag that we live with, each acknowledged on the spot with its reason."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept one finding on this construct; the reason is read by whoever reviews the app."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def acknowledge_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Accept a wildcard in the resource of one of this role's statements."""
    shown = _shown(Stack.of(construct).resolve(resource))
    acknowledge(construct, f"AwsSolutions-IAM5[Resource::{shown}]", reason)


def _shown(value: Any) -> str:  # noqa: ANN401  (a resolved token is any JSON)
    """A resolved value as cdk-nag writes it in a finding's name."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_shown(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return str(name)
    return str(value)
