"""A property that CloudFormation does not know fails its resource by name, also of the types that MiniStack provisions.

MiniStack drops such a one without a word. The types that this package adds are checked by the calls that they make.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from local import joints_cloudformation
from local.json_service import AwsError

# Made by scripts/template_properties.py from CloudFormation's schemas.
TABLE = Path(__file__).with_suffix(".json")


@cache
def known() -> dict[str, frozenset[str]]:
    return {kind: frozenset(names.split()) for kind, names in json.loads(TABLE.read_text()).items()}


def install() -> None:
    """In front of every type that MiniStack has by now."""
    joints_cloudformation.ask_first(_create, _update, _delete, _call)


def refuse_unknown(kind: str, names: Iterable[str]) -> None:
    """A type that is not in the table takes what it is given."""
    unknown = sorted(set(names) - known().get(kind, frozenset(names)))
    if unknown:
        raise AwsError("ValidationException", f"{kind} has no property {', '.join(unknown)}.")


def _create(kind: str, logical_id: str, properties: Iterable[str], stack: str) -> None:
    refuse_unknown(kind, properties)


def _update(kind: str, physical_id: str, old: Iterable[str], new: Iterable[str]) -> None:
    refuse_unknown(kind, new)


def _delete(kind: str, *rest: Any) -> None:  # noqa: ANN401 - what is there may always go
    """Whatever it was made with."""


def _call(properties: Iterable[str]) -> None:
    """A custom resource's properties are its function's to know."""
