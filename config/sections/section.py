"""What every section is, and the types that more than one of them uses."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.(medium|large|xlarge|[0-9]+xlarge)$")]
Days = Annotated[int, Field(ge=1, le=3650)]
# What CloudWatch Logs accepts as a retention.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
