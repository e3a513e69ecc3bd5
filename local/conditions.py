"""Fn::Join inside a template's Conditions, which MiniStack leaves unresolved: the condition is then always different.

CDK's bootstrap template asks that way whether execution policies were given; unresolved, its role gets none.
"""

from collections.abc import Callable, Mapping
from typing import Any

Parameters = Mapping[str, Mapping[str, Any]]


def with_joins(
    original: Callable[[dict[str, Any], Parameters], dict[str, bool]], template: dict[str, Any], params: Parameters
) -> dict[str, bool]:
    conditions = template.get("Conditions")
    if not conditions:
        return original(template, params)
    return original({**template, "Conditions": _joined(conditions, params)}, params)


def _joined(value: Any, params: Parameters) -> Any:  # noqa: ANN401 - any part of a template
    if isinstance(value, list):
        return [_joined(member, params) for member in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::Join"}:
        return _join(value, params)
    return {name: _joined(member, params) for name, member in value.items()}


def _join(value: dict[str, Any], params: Parameters) -> Any:  # noqa: ANN401 - a text, or the function as it was
    separator, parts = value["Fn::Join"]
    if isinstance(parts, dict):
        # A CommaDelimitedList parameter is one text in MiniStack.
        parts = _text(parts, params)
        parts = parts.split(",") if isinstance(parts, str) else None
    else:
        parts = [_text(part, params) for part in parts]
    if parts is None or any(not isinstance(part, str) for part in parts):
        return value
    return str(separator).join(parts)


def _text(part: Any, params: Parameters) -> Any:  # noqa: ANN401 - a text, or what it was
    if isinstance(part, dict) and part.get("Ref") in params:
        return str(params[part["Ref"]]["Value"])
    return part
