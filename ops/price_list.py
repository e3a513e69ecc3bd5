"""What AWS itself asks for an hour of an instance in a region, by its Price List API; what was read is kept a month.

Nothing is guessed: where AWS names no price, or several that fit, there is none.
"""

import contextlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.weather import sentence_of

# The API answers there for every region.
API_REGION = "us-east-1"
KEPT = timedelta(days=30)
HOURS = {"hrs", "hours", "hour"}
Filters = dict[str, str]


class PriceList:
    """Of one region. `pricing` makes boto3's client when it is first needed."""

    def __init__(self, pricing: Callable[[], Any], region: str, cache: Path) -> None:
        self._pricing, self._region = pricing, region
        self._path = cache / f"{region}.json"
        self._known = _read(self._path)
        self.failure = ""
        """Why AWS was not heard; it is not asked again."""

    def hourly(self, kind: str) -> float | None:
        """USD for an hour of "ml.m5.large" in SageMaker or "m5.large" in EC2, on demand."""
        found = self._known.get(kind)
        if found is None and not self.failure:
            found = self._asked(kind)
        return found["usd"] if found else None

    @property
    def read(self) -> date | None:
        """When the oldest of what is known was read."""
        return min((date.fromisoformat(one["read"]) for one in self._known.values()), default=None)

    def _asked(self, kind: str) -> dict[str, Any] | None:
        try:
            if kind.startswith("ml."):
                usd = _sagemaker(self._products("AmazonSageMaker", {"instanceName": kind}), kind)
            else:
                usd = _only(_hourly_prices(self._products("AmazonEC2", _linux(kind))))
        except (BotoCoreError, ClientError) as error:
            self.failure = str(sentence_of(error))
            return None
        found = {"usd": usd, "read": datetime.now(UTC).date().isoformat()}
        self._known[kind] = found
        self._save()
        return found

    def _products(self, service: str, wanted: Filters) -> list[dict[str, Any]]:
        fields = {"regionCode": self._region, **wanted}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
        pages = self._pricing().get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
        return [json.loads(product) for product in pages.search("PriceList[]") if product]

    def _save(self) -> None:
        # Without it the next command asks again.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            staging = self._path.with_suffix(".new")
            staging.write_text(json.dumps(self._known, indent=1))
            staging.replace(self._path)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text())
        oldest = (datetime.now(UTC) - KEPT).date().isoformat()
        return {kind: one for kind, one in found.items() if one["read"] > oldest and "usd" in one}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _linux(kind: str) -> Filters:
    """As the console's own price of a Linux machine: no licence, nobody else's software, no reservation."""
    return {
        "instanceType": kind,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
    }


def _sagemaker(products: list[dict[str, Any]], kind: str) -> float | None:
    """That of hosting; for a type that is not for hosting that of all other uses, where they agree."""
    hosting = [one for one in products if one["product"]["attributes"].get("usagetype", "").endswith(f"Host:{kind}")]
    return _only(_hourly_prices(hosting or products))


def _hourly_prices(products: Iterable[dict[str, Any]]) -> set[float]:
    return {
        float(dimension["pricePerUnit"]["USD"])
        for product in products
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if dimension.get("unit", "").lower() in HOURS and float(dimension["pricePerUnit"].get("USD", 0)) > 0
    }


def _only(prices: set[float]) -> float | None:
    return prices.pop() if len(prices) == 1 else None
