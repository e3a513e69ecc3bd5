"""What is served."""

from typing import Annotated

from pydantic import Field

from config.sections.section import Section

ArtifactKey = Annotated[str, Field(pattern=r"^(starter|models/[0-9a-f]{64}/model\.tar\.gz)$")]


class Model(Section):
    artifact: ArtifactKey
    """What is served: "starter", or the content-addressed key of a model.tar.gz in this stage's bucket."""
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
    """The registry version that the artifact came from; shown in the template's diff."""
