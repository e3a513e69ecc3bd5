"""The function's settings, read once from its environment; a wrong one stops the function at init with a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

HOST_PATTERN = re.compile(
    r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
)
MAX_TOP_K = 1000
_BUCKET = r"([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?"


class SettingsError(ValueError):
    """The environment cannot work; the message names each variable, its value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    endpoint_name: str
    """The SageMaker endpoint which classifies."""
    top_k: int
    """How many predictions an answer holds when the request does not say."""
    max_image_bytes: int
    """The largest image, sent or fetched; 4,500,000 bytes are what base64 fits into Lambda's 6 MB event."""
    max_images: int
    """How many images one request may hold; they are asked for side by side."""
    fetch_timeout_seconds: float
    """The whole of a URL's fetch: name look-up, connection, redirects and body."""
    invoke_timeout_seconds: float
    """The longest wait for the endpoint."""
    allowed_image_hosts: tuple[str, ...]
    """Hosts that may be fetched from, `*.example.com` for all below one; empty allows every public host."""
    auth: str
    """How the gateway guards predictions, for the API's description alone: "iam", "jwt" or "none"."""
    jwt_issuer: str
    """Who issues the tokens where `auth` is "jwt"."""
    metrics: bool
    """Whether each log line of a prediction is metrics as well."""
    upload_bucket: str
    """Where larger images are uploaded to, below uploads/; empty where none are taken."""
    max_upload_bytes: int
    """The largest of those; 25,000,000 bytes are what a real-time endpoint takes."""
    upload_seconds: int
    """How long a place to upload to can be used."""
    async_bucket: str
    """Where images wait and results arrive when the endpoint is asynchronous; empty when it is not."""

    VARIABLES: ClassVar[Mapping[str, bool]] = MappingProxyType(
        {
            "ENDPOINT_NAME": True,
            "TOP_K": True,
            "MAX_IMAGE_BYTES": True,
            "MAX_IMAGES": True,
            "FETCH_TIMEOUT_SECONDS": True,
            "INVOKE_TIMEOUT_SECONDS": True,
            "ALLOWED_IMAGE_HOSTS": False,
            "AUTH": True,
            "JWT_ISSUER": False,
            "METRICS": True,
            "UPLOAD_BUCKET": False,
            "MAX_UPLOAD_BYTES": True,
            "UPLOAD_SECONDS": True,
            "ASYNC_BUCKET": False,
        }
    )
    """Each variable that is read, and whether it must be set."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads every variable and reports all faults at once."""
        reader = _Reader(environment)
        settings = cls(
            endpoint_name=reader.text("ENDPOINT_NAME", r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "an endpoint's name"),
            top_k=int(reader.number("TOP_K", 1, MAX_TOP_K, whole=True)),
            max_image_bytes=int(reader.number("MAX_IMAGE_BYTES", 1_000, 4_500_000, whole=True)),
            max_images=int(reader.number("MAX_IMAGES", 1, 20, whole=True)),
            fetch_timeout_seconds=reader.number("FETCH_TIMEOUT_SECONDS", 0.1, 60),
            invoke_timeout_seconds=reader.number("INVOKE_TIMEOUT_SECONDS", 0.1, 60),
            allowed_image_hosts=reader.hosts("ALLOWED_IMAGE_HOSTS"),
            auth=reader.text("AUTH", r"iam|jwt|none", "how the API is guarded"),
            jwt_issuer=reader.text("JWT_ISSUER", r"(https://\S+)?", "the tokens' issuer or nothing"),
            metrics=reader.text("METRICS", r"on|off", '"on" or "off"') == "on",
            upload_bucket=reader.text("UPLOAD_BUCKET", _BUCKET, "a bucket's name or nothing"),
            max_upload_bytes=int(reader.number("MAX_UPLOAD_BYTES", 0, 25_000_000, whole=True)),
            upload_seconds=int(reader.number("UPLOAD_SECONDS", 1, 3_600, whole=True)),
            async_bucket=reader.text("ASYNC_BUCKET", _BUCKET, "a bucket's name or nothing"),
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

    def number(self, variable: str, low: float, high: float, *, whole: bool = False) -> float:
        value = self._environment.get(variable, "")
        pattern = r"\d{1,9}" if whole else r"\d{1,9}(\.\d{1,9})?"
        if re.fullmatch(pattern, value, re.ASCII) and low <= float(value) <= high:
            return float(value)
        self._fault(
            variable, f"a {'whole ' if whole else ''}number from {low:,} to {high:,}, written without separators"
        )
        return low

    def hosts(self, variable: str) -> tuple[str, ...]:
        hosts = tuple(host.strip().lower() for host in self._environment.get(variable, "").split(",") if host.strip())
        if not all(HOST_PATTERN.fullmatch(host) for host in hosts):
            self._fault(variable, "host names (example.com or *.example.com, in their ASCII form) with commas between")
        return hosts

    def _fault(self, variable: str, allowed: str) -> None:
        value = self._environment.get(variable)
        found = "is not set" if value is None else f"is {value!r}"
        self.faults.append(f"The environment variable {variable} {found}; set it to {allowed} in the function.")
