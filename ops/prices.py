"""What an hour costs: by a dated snapshot, ops/prices.toml, and for instances beyond it by AWS's own list.

What neither knows is None, "unpriced", and never 0.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops.price_list import PriceList

SNAPSHOT = Path(__file__).with_name("prices.toml")
SNAPSHOT_REGION = "us-east-1"
HOURS_A_MONTH = 730
UNPRICED = "unpriced"


@cache
def _snapshot() -> dict[str, dict[str, tuple[float, str]]]:
    return tomllib.loads(SNAPSHOT.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Prices:
    """Of one region, in USD."""

    region: str
    aws: "PriceList | None" = None
    """AWS's own list; without it the snapshot is all there is."""

    def hourly(self, kind: str) -> float | None:
        """For one instance of this type: "ml.m5.large" in SageMaker, "m5.large" in EC2."""
        found = self._noted("sagemaker" if kind.startswith("ml.") else "ec2", kind)
        return self.aws.hourly(kind) if found is None and self.aws is not None else found

    def other(self, item: str) -> float | None:
        return self._noted("other", item)

    @property
    def source(self) -> str:
        """Where the prices that were asked for come from, for whoever reads dollars."""
        said = [f"Prices of {self.region}, on demand, by {self._sources}."]
        if self.region != SNAPSHOT_REGION:
            said.append(f"ops/prices.toml holds those of {SNAPSHOT_REGION}, so that all but instances is {UNPRICED}.")
        if self.aws is not None and self.aws.failure:
            said.append(f"AWS's price list was not read. {self.aws.failure}")
        return " ".join(said)

    @property
    def _sources(self) -> str:
        read = self.aws.read if self.aws is not None else None
        listed = [f"AWS's price list as read on {read:%Y-%m-%d}"] if read is not None else []
        noted = ["the dated snapshot in ops/prices.toml"] if self.region == SNAPSHOT_REGION else []
        return " and ".join([*noted, *listed]) or "nothing that is known here"

    def _noted(self, section: str, item: str) -> float | None:
        found = _snapshot()[section].get(item)
        return found[0] if found and self.region == SNAPSHOT_REGION else None


def dollars(amount: float | None, digits: int = 2) -> str:
    """For people: "0.23", or "unpriced"."""
    return UNPRICED if amount is None else f"{amount:,.{digits}f}"
