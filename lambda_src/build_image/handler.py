"""The Lambda's entry, `build_image.handler.handle`, for CloudFormation's requests and EventBridge's build events.

Its role needs ecr:DescribeImages on the repository, codebuild:StartBuild and codebuild:BatchGetBuilds on the project.
"""

import botocore.session

from .answer import put_over_https
from .resource import Event, ImageResource

_SESSION = botocore.session.get_session()
_RESOURCE = ImageResource(
    ecr=_SESSION.create_client("ecr"), codebuild=_SESSION.create_client("codebuild"), put=put_over_https
)


def handle(event: Event, _context: object) -> None:
    """Handles one event; CloudFormation's answer goes to the URL in its request, not back to the caller."""
    _RESOURCE.handle(event)
