"""Findings of cdk-nag that we live with, each acknowledged on the spot with its reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept one finding on this construct; the reason is read by whoever reviews the app."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))
