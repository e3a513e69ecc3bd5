"""The function's settings, read once from its environment; a wrong one stops the function at init with a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar

REPORT, STOP = "report", "stop"


class SettingsError(ValueError):
    """The environment cannot work; the message names each variable, its value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    project: str
    stage: str
    """Both together are the tags by which our resources are known."""
    topic_arn: str
    """Where the report goes."""
    stops: bool
    """Whether the box and the notebook are stopped, or only reported."""
    every: timedelta
    """Between two sweeps."""
    box_idle: timedelta
    """Without work for so long, the box is idle."""
    box_cpu_percent: float
    """Below this the box does no work."""
    notebook_limit: timedelta
    """So long after its start a notebook is idle."""
    endpoint_name: str
    """The endpoint that is billed while it waits; empty where there is none."""
    endpoint_idle: timedelta
    """Without a request for so long, the endpoint is idle."""
    stopped_limit: timedelta
    """So long after the box stopped, its volumes are worth a word."""

    VARIABLES: ClassVar[Mapping[str, bool]] = MappingProxyType(
        {
            "PROJECT": True,
            "STAGE": True,
            "TOPIC_ARN": True,
            "SWEEP": True,
            "EVERY_MINUTES": True,
            "BOX_IDLE_MINUTES": True,
            "BOX_CPU_PERCENT": True,
            "NOTEBOOK_HOURS": True,
            "ENDPOINT_NAME": False,
            "ENDPOINT_IDLE_DAYS": True,
            "STOPPED_DAYS": True,
        }
    )
    """Each variable that is read, and whether it must be set."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads every variable and reports all faults at once."""
        reader = _Reader(environment)
        settings = cls(
            project=reader.text("PROJECT", r"[a-z][a-z0-9-]*", "the tag's value"),
            stage=reader.text("STAGE", r"[a-z][a-z0-9]*", "the tag's value"),
            topic_arn=reader.text("TOPIC_ARN", r"arn:aws[a-z-]*:sns:.+", "a topic's ARN"),
            stops=reader.text("SWEEP", f"{REPORT}|{STOP}", f'"{REPORT}" or "{STOP}"') == STOP,
            every=timedelta(minutes=reader.number("EVERY_MINUTES", 1, 1440)),
            box_idle=timedelta(minutes=reader.number("BOX_IDLE_MINUTES", 1, 1440)),
            box_cpu_percent=reader.number("BOX_CPU_PERCENT", 0, 100),
            notebook_limit=timedelta(hours=reader.number("NOTEBOOK_HOURS", 1, 168)),
            endpoint_name=reader.text("ENDPOINT_NAME", r"[a-zA-Z0-9-]{0,63}", "an endpoint's name, or nothing"),
            endpoint_idle=timedelta(days=reader.number("ENDPOINT_IDLE_DAYS", 1, 15)),
            stopped_limit=timedelta(days=reader.number("STOPPED_DAYS", 1, 365)),
        )
        if reader.faults:
            raise SettingsError(" ".join(reader.faults))
        return settings


class _Reader:
    """Takes typed values out of the environment and gathers a sentence for each that is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []

    def text(self, variable: str, pattern: str, meaning: str) -> str:
        value = self._environment.get(variable, "")
        if not re.fullmatch(pattern, value):
            self._fault(variable, f"{meaning} ({pattern})")
        return value

    def number(self, variable: str, low: float, high: float) -> float:
        value = self._environment.get(variable, "")
        if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value, re.ASCII) and low <= float(value) <= high:
            return float(value)
        self._fault(variable, f"a number from {low:g} to {high:g}")
        return low

    def _fault(self, variable: str, allowed: str) -> None:
        value = self._environment.get(variable)
        found = "is not set" if value is None else f"is {value!r}"
        self.faults.append(f"The environment variable {variable} {found}; set it to {allowed} in the function.")
