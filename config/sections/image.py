"""Who builds the serving image."""

from typing import Literal

from config.sections.section import Section


class Image(Section):
    source: Literal["codebuild", "docker", "uri"]
    """Who builds the serving image: CodeBuild in the account, Docker where cdk runs, or nobody (a given URI)."""
    uri: str | None = None
    """The image in ECR, in this stage's region, when source is "uri"; best pinned as ...@sha256:..."""
