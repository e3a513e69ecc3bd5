"""The image as a CloudFormation resource: what happens on its requests and when a build has ended."""

from typing import Any

from .answer import Put, Ticket, fail, succeed
from .builds import CodeBuildClient, read_build, start_build
from .images import EcrClient, find_image

Event = dict[str, Any]
_ENDED = frozenset({"SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"})


class ImageResource:
    """Answers CloudFormation at once where it can, and otherwise when the build's end is reported."""

    def __init__(self, *, ecr: EcrClient, codebuild: CodeBuildClient, put: Put) -> None:
        self._ecr = ecr
        self._codebuild = codebuild
        self._put = put

    def handle(self, event: Event) -> None:
        """Takes a request of CloudFormation's or a build's change of state; both come more than once at times."""
        if event.get("source") == "aws.codebuild":
            self._on_build(event["detail"])
        else:
            self._on_request(event)

    def _on_request(self, event: Event) -> None:
        ticket = _ticket(event)
        # Deleting removes nothing: images go with their repository, and an older version may still be in service.
        if event["RequestType"] == "Delete":
            succeed(self._put, ticket, {})
            return
        # Whatever goes wrong must reach CloudFormation, which would wait for an hour and hold the stack meanwhile.
        try:
            uri = self._find_or_build(ticket, event["ResourceProperties"])
        except Exception as error:
            fail(self._put, ticket, _reason(error))
            return
        if uri is not None:
            succeed(self._put, ticket, {"ImageUri": uri})

    def _find_or_build(self, ticket: Ticket, properties: dict[str, str]) -> str | None:
        missing = [name for name in ("Project", "Repository", "Tag") if not properties.get(name)]
        if missing:
            raise ValueError(f"The custom resource lacks {', '.join(missing)}; set them among its properties.")
        repository, tag = properties["Repository"], properties["Tag"]
        uri = find_image(self._ecr, ticket.stack_id, repository, tag)
        if uri is None:
            start_build(self._codebuild, ticket, properties["Project"], repository, tag)
        return uri

    def _on_build(self, detail: dict[str, Any]) -> None:
        if detail["build-status"] not in _ENDED:
            return
        build = read_build(self._codebuild, detail["build-id"].partition(":build/")[2])
        if build is None:
            return
        try:
            # Looked for even after a failure: a second build of the same sources cannot push a tag that the first made.
            uri = find_image(self._ecr, build.ticket.stack_id, build.repository, build.tag)
            if uri is None:
                raise LookupError(
                    build.fault
                    or f"The build succeeded but {build.repository} has no image {build.tag}; "
                    "make the buildspec push the tag $IMAGE_TAG."
                )
        except Exception as error:
            fail(self._put, build.ticket, _reason(error))
            return
        succeed(self._put, build.ticket, {"ImageUri": uri})


def _ticket(event: Event) -> Ticket:
    properties = event.get("ResourceProperties", {})
    # The tag is the sources' hash: a changed one is another resource, and the old one is deleted after the update.
    named = f"{properties.get('Repository')}:{properties.get('Tag')}"
    return Ticket(
        response_url=event["ResponseURL"],
        stack_id=event["StackId"],
        request_id=event["RequestId"],
        logical_resource_id=event["LogicalResourceId"],
        physical_resource_id=event["PhysicalResourceId"] if event["RequestType"] == "Delete" else named,
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
