"""What an hour costs by a dated snapshot, ops/prices.toml. What it does not list is None, "unpriced", and never 0."""

import tomllib
from functools import cache
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("prices.toml")
REGION = "us-east-1"
HOURS_A_MONTH = 730
UNPRICED = "unpriced"


@cache
def _snapshot() -> dict[str, dict[str, tuple[float, str]]]:
    return tomllib.loads(SNAPSHOT.read_text(encoding="utf-8"))


def hourly(kind: str, region: str) -> float | None:
    """USD for one instance of this type: "ml.m5.large" in SageMaker, "m5.large" in EC2."""
    return _price("sagemaker" if kind.startswith("ml.") else "ec2", kind, region)


def other(item: str, region: str) -> float | None:
    return _price("other", item, region)


def _price(section: str, item: str, region: str) -> float | None:
    found = _snapshot()[section].get(item)
    return found[0] if found and region == REGION else None


def dollars(amount: float | None, digits: int = 2) -> str:
    """For people: "0.23", or "unpriced"."""
    return UNPRICED if amount is None else f"{amount:,.{digits}f}"
