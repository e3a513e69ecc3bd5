"""What every section is, and the types that more than one of them uses."""

import typing
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.(medium|large|xlarge|[0-9]+xlarge)$")]
Days = Annotated[int, Field(ge=1, le=3650)]
# What CloudWatch Logs accepts as a retention.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]
# A name within something of ours: a variant, a container, a schedule.
PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def inner_section(annotation: object) -> type[Section] | None:
    """The section that a field holds: itself, an optional one (`X | None`) or a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = [inner_section(part) for part in typing.get_args(annotation)]
    return next((section for section in found if section is not None), None)


def is_list(annotation: object) -> bool:
    return typing.get_origin(annotation) is list


def by_key(kind: type[BaseModel], key: str) -> str | None:
    """The field that a key of the stage file sets: `async` is a word of Python's, so that its field is `async_`."""
    return next((name for name, field in kind.model_fields.items() if (field.alias or name) == key), None)
