"""Where this package reaches into MiniStack's EventBridge; `local.joints` checks the place."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.joints import _module, scope
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {"services.eventbridge:_put_events": ("data", "allow_aws_source")}
ATTRIBUTES: tuple[str, ...] = ()


def emit(place: Scope, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
    """An event of an AWS service on the account's default bus."""
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
        "EventBusName": "default",
    }
    with scope(place.account, place.region):
        _module("services.eventbridge")._put_events({"Entries": [entry]}, allow_aws_source=True)
