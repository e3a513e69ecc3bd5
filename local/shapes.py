"""Properties against botocore's model of the call they belong to: types, required members, enums, patterns, ranges."""

import re
from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ParamValidationError
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import validate_parameters

_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}


class ShapeError(ValueError):
    """Properties that the call would refuse, in one sentence."""


@cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def operation_model(service: str, operation: str) -> OperationModel:
    return service_model(service).operation_model(operation)


def validate(service: str, operation: str, params: dict[str, Any]) -> None:
    shape = operation_model(service, operation).input_shape
    try:
        validate_parameters(params, shape)
    except ParamValidationError as error:
        raise ShapeError(" ".join(str(error.kwargs["report"]).split())) from error
    faults = list(_faults(params, shape, operation))
    if faults:
        raise ShapeError("; ".join(faults))


def coerced(service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Texts turned into the numbers and booleans that the call wants, as CloudFormation does with a template's."""
    result = _coerced(params, operation_model(service, operation).input_shape)
    return dict(result)


def output(service: str, operation: str, document: dict[str, Any]) -> dict[str, Any]:
    """Only the members that the call's answer has, so that internal fields never leave."""
    shape = operation_model(service, operation).output_shape
    return _trimmed(document, shape) if shape is not None else {}


def _faults(value: Any, shape: Shape, path: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield from _faults(member, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        yield from _size_faults(len(value), shape, path, "members")
        for index, member in enumerate(value):
            yield from _faults(member, shape.member, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield from _faults(member, shape.value, f"{path}.{name}")
    elif shape.type_name == "string":
        yield from _text_faults(value, shape, path)
    elif shape.type_name in _NUMBERS:
        yield from _size_faults(value, shape, path, "")


def _text_faults(value: str, shape: Shape, path: str) -> Any:  # noqa: ANN401 - an iterator of sentences
    allowed = getattr(shape, "enum", [])
    if allowed and value not in allowed:
        yield f"{path} is {value!r}, allowed are {', '.join(allowed)}"
    yield from _size_faults(len(value), shape, path, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern and _compiled(pattern) and not re.fullmatch(pattern, value):
        yield f"{path} is {value!r}, which does not match {pattern}"


def _size_faults(size: float, shape: Shape, path: str, unit: str) -> Any:  # noqa: ANN401 - an iterator of sentences
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{path} has {size} {unit}, at least {low} needed".replace("  ", " ")
    if high is not None and size > high:
        yield f"{path} has {size} {unit}, at most {high} allowed".replace("  ", " ")


@cache
def _compiled(pattern: str) -> bool:
    """Whether Python reads the pattern: the models are written for Java, a few use what re lacks."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _coerced(value: Any, shape: Shape) -> Any:  # noqa: ANN401, PLR0911 - any JSON value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            name: _coerced(member, shape.members[name]) if name in shape.members else member
            for name, member in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_coerced(member, shape.member) for member in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _coerced(member, shape.value) for name, member in value.items()}
    if isinstance(value, str):
        return _coerced_text(value, shape)
    if shape.type_name == "string" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if shape.type_name in ("float", "double") and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _coerced_text(value: str, shape: Shape) -> Any:  # noqa: ANN401 - what the shape wants
    if shape.type_name == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if shape.type_name in _NUMBERS:
        try:
            return _NUMBERS[shape.type_name](value)
        except ValueError:
            return value
    return value


def _trimmed(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: _trimmed(member, shape.members[name]) for name, member in value.items() if name in shape.members}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_trimmed(member, shape.member) for member in value]
    return value
