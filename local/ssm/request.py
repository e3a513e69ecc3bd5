"""What SendCommand may ask for here, checked before anything is sent."""

from dataclasses import dataclass

from local.json_service import AwsError
from local.records import Document

DOCUMENT = "AWS-RunShellScript"
PARAMETERS = ("commands", "workingDirectory", "executionTimeout")
EXECUTION_SECONDS, DELIVERY_SECONDS = 3600, 3600
LONGEST_EXECUTION_SECONDS = 172_800
MOST_AT_ONCE, MOST_ERRORS = "50", "0"
NOT_AVAILABLE = ("AlarmConfiguration", "NotificationConfig", "ServiceRoleArn", "DocumentHash")


@dataclass(frozen=True)
class RateControls:
    """How many instances work at a time, and how many may fail until no other begins."""

    at_once: int
    errors: int
    delivery_seconds: float

    @classmethod
    def of(cls, params: Document, instances: int) -> "RateControls":
        at_once = _share(params.get("MaxConcurrency", MOST_AT_ONCE), instances)
        errors = _share(params.get("MaxErrors", MOST_ERRORS), instances)
        return cls(max(at_once, 1), errors, float(params.get("TimeoutSeconds", DELIVERY_SECONDS)))


def _share(asked: str, whole: int) -> int:
    """A number, or a percentage of all instances, rounded down."""
    return int(asked[:-1]) * whole // 100 if asked.endswith("%") else int(asked)


def execution_seconds(params: Document) -> float:
    return float((params.get("Parameters", {}).get("executionTimeout") or [EXECUTION_SECONDS])[0])


def check(params: Document) -> None:
    if params["DocumentName"].rsplit("/", 1)[-1] != DOCUMENT:
        raise AwsError(
            "InvalidDocument", f"{params['DocumentName']} is not available in the embedded AWS; {DOCUMENT} is."
        )
    if given := [name for name in NOT_AVAILABLE if params.get(name)]:
        raise AwsError("ValidationException", f"{given[0]} is not available in the embedded AWS.")
    unknown = sorted(set(params.get("Parameters") or {}) - set(PARAMETERS))
    if unknown or not (params.get("Parameters") or {}).get("commands"):
        said = f"has no parameter {unknown[0]}" if unknown else "needs commands"
        raise AwsError("InvalidParameters", f"{DOCUMENT} {said}; it takes {', '.join(PARAMETERS)}.")
    timeout = str((params["Parameters"].get("executionTimeout") or [EXECUTION_SECONDS])[0])
    if not timeout.isdecimal() or not 1 <= int(timeout) <= LONGEST_EXECUTION_SECONDS:
        raise AwsError(
            "InvalidParameters", f"executionTimeout is 1 to {LONGEST_EXECUTION_SECONDS} seconds, not {timeout}."
        )
    keys = [str(one.get("Key", "")) for one in params.get("Targets") or []]
    if others := [key for key in keys if key != "InstanceIds" and not key.startswith("tag:")]:
        raise AwsError("InvalidTarget", f"The target {others[0]} is not available in the embedded AWS.")
    if not params.get("InstanceIds") and not keys:
        raise AwsError("InvalidInstanceId", "InstanceIds or Targets must be given.")
