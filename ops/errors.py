"""Errors that a command shows to its user: one sentence each, and the exit status that a program reads."""


class OperatorError(Exception):
    """Something that the operator can put right, in one sentence."""

    status = 1


class NotReached(OperatorError):
    """AWS was not reached, or did not let us: credentials, permission, network, throttling."""

    status = 3


class WorkFailed(OperatorError):
    """What was asked for ran and failed: a job, a pipeline, a deploy."""

    status = 4


class Refused(OperatorError):
    """A gate that holds unless the operator insists: a worse model, an unfit stage, a faulty data set."""

    status = 5
