"""Starts a CodeBuild build, and reads from a finished one for whom it was and what went wrong.

The build carries CloudFormation's request along in its environment, so that nothing has to be stored in between.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from .answer import Ticket

_FAILING_PHASES = frozenset({"FAILED", "FAULT", "TIMED_OUT", "STOPPED"})
MAX_CONTEXT_CHARACTERS = 400


class CodeBuildClient(Protocol):
    """The operations that are used of botocore's `codebuild` client."""

    def start_build(self, **arguments: object) -> dict[str, Any]: ...
    def batch_get_builds(self, **arguments: object) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class FinishedBuild:
    """A build that this function had started; `fault` is None when it succeeded."""

    ticket: Ticket
    repository: str
    tag: str
    fault: str | None


def start_build(codebuild: CodeBuildClient, ticket: Ticket, project: str, repository: str, tag: str) -> None:
    """Starts the build; the same request started twice within five minutes is one build."""
    environment = {
        "IMAGE_REPOSITORY": repository,
        "IMAGE_TAG": tag,
        "CFN_RESPONSE_URL": ticket.response_url,
        "CFN_STACK_ID": ticket.stack_id,
        "CFN_REQUEST_ID": ticket.request_id,
        "CFN_LOGICAL_RESOURCE_ID": ticket.logical_resource_id,
        "CFN_PHYSICAL_RESOURCE_ID": ticket.physical_resource_id,
    }
    codebuild.start_build(
        projectName=project,
        idempotencyToken=ticket.request_id,
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in environment.items()
        ],
    )


def read_build(codebuild: CodeBuildClient, build_id: str) -> FinishedBuild | None:
    """The build, or None when somebody else started it and CloudFormation waits for nothing."""
    builds = codebuild.batch_get_builds(ids=[build_id])["builds"]
    if not builds:
        return None
    variables = {entry["name"]: entry["value"] for entry in builds[0]["environment"]["environmentVariables"]}
    if "CFN_RESPONSE_URL" not in variables:
        return None
    ticket = Ticket(
        response_url=variables["CFN_RESPONSE_URL"],
        stack_id=variables["CFN_STACK_ID"],
        request_id=variables["CFN_REQUEST_ID"],
        logical_resource_id=variables["CFN_LOGICAL_RESOURCE_ID"],
        physical_resource_id=variables["CFN_PHYSICAL_RESOURCE_ID"],
    )
    return FinishedBuild(
        ticket=ticket,
        repository=variables["IMAGE_REPOSITORY"],
        tag=variables["IMAGE_TAG"],
        fault=_fault(builds[0]),
    )


def _fault(build: dict[str, Any]) -> str | None:
    if build["buildStatus"] == "SUCCEEDED":
        return None
    failing: dict[str, Any] = next(
        (phase for phase in build.get("phases", []) if phase.get("phaseStatus") in _FAILING_PHASES), {}
    )
    log = build.get("logs", {}).get("deepLink", "in the CodeBuild console")
    phase_type = failing.get("phaseType", "unknown")
    # The log's link before CodeBuild's own words, which can be long and may be cut.
    sentence = (
        f"The image build {build['id']} ended as {build['buildStatus']} in phase {phase_type}; "
        f"read its log, {log} , mend the cause and deploy again."
    )
    said = "; ".join(
        f"{context.get('statusCode', '')}: {context.get('message', '')}" for context in failing.get("contexts", [])
    )
    return f"{sentence} CodeBuild says: {said[:MAX_CONTEXT_CHARACTERS]}" if said else sentence
