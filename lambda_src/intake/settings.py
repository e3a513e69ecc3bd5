"""The function's settings, read once from its environment; a wrong one stops the function at init with a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar


class SettingsError(ValueError):
    """The environment cannot work; the message names each variable, its value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    bucket: str
    """The only bucket whose events count."""
    pipeline_name: str
    """The pipeline that a data set starts."""

    VARIABLES: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"BUCKET": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "PIPELINE_NAME": r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}"}
    )
    """Each variable that is read, and what it must look like."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads every variable and reports all faults at once."""
        faults = [
            f"The environment variable {name} is {environment.get(name)!r}; it must match {pattern}."
            for name, pattern in cls.VARIABLES.items()
            if not re.fullmatch(pattern, environment.get(name, ""))
        ]
        if faults:
            raise SettingsError(" ".join(faults))
        return cls(bucket=environment["BUCKET"], pipeline_name=environment["PIPELINE_NAME"])
