"""The one error that a command shows to its user."""


class OperatorError(Exception):
    """Something that the operator can put right, in one sentence."""
