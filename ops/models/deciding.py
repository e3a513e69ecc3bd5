"""Who decides, and when: what the registry is told of an approval or a rejection."""

from datetime import UTC, datetime

from ops.stage import Stage


def who(stage: Stage) -> str:
    return str(stage.client("sts").get_caller_identity()["Arn"])


def when() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
