"""What Python knows of CDK's L1 classes: which class a CloudFormation type has, and what its arguments are called."""

import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

PREFIX = "aws_cdk.aws_"
# What a construct's own `__init__` takes beside the properties.
SCOPE_AND_ID = 3


class NoSuchL1Error(Exception):
    """A type, attribute or property that this version of CDK has no typed name for."""


@dataclass(frozen=True)
class L1:
    """The class of one CloudFormation type."""

    service: str
    """Last part of its module's name, as in `s3`."""
    kind: type

    @classmethod
    def of(cls, resource_type: str) -> "L1":
        _, service, name = resource_type.split("::")
        try:
            module = importlib.import_module(PREFIX + service.lower())
            kind = getattr(module, f"Cfn{name}")
        except (ImportError, AttributeError):
            raise NoSuchL1Error(f"CDK has no L1 class for {resource_type}") from None
        if resource_type != kind.CFN_RESOURCE_TYPE_NAME:
            raise NoSuchL1Error(f"{kind.__qualname__} makes {kind.CFN_RESOURCE_TYPE_NAME}, not {resource_type}")
        return cls(service.lower(), kind)

    def attribute(self, name: str) -> str | None:
        """The Python name of what `Fn::GetAtt` calls `name`, where the class knows it."""
        wanted = _plain("attr" + name)
        return next((member for member in dir(self.kind) if _plain(member) == wanted), None)


def arguments(kind: type) -> dict[str, tuple[str, Any]]:
    """CloudFormation's name in plain letters -> the argument's name and type; of an L1 class or a property of one."""
    initialize = vars(kind)["__init__"]
    hints = typing.get_type_hints(initialize)
    names = list(inspect.signature(initialize).parameters)
    skipped = 1 if is_struct(kind) else SCOPE_AND_ID
    return {_plain(name): (name, hints[name]) for name in names[skipped:]}


def argument(kind: type, name: str) -> tuple[str, Any]:
    found = arguments(kind).get(_plain(name))
    if found is None:
        raise NoSuchL1Error(f"{kind.__qualname__} has no argument for {name}")
    return found


def is_struct(hint: Any) -> bool:  # noqa: ANN401  (any type hint)
    """Whether a type is one of jsii's structures, which take keyword arguments only."""
    return isinstance(hint, type) and hasattr(hint, "__jsii_struct_bases__")


def struct_in(hint: Any) -> type | None:  # noqa: ANN401
    return next((choice for choice in choices(hint) if is_struct(choice)), None)


def item_in(hint: Any) -> Any:  # noqa: ANN401
    """The type of a list's items."""
    return _inner(hint, Sequence, 0)


def value_in(hint: Any) -> Any:  # noqa: ANN401
    """The type of a map's values."""
    return _inner(hint, Mapping, 1)


def choices(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The members of a union, or the type itself."""
    if typing.get_origin(hint) is typing.Union:
        return tuple(choice for choice in typing.get_args(hint) if choice is not NoneType)
    return (hint,)


def _inner(hint: Any, container: type, place: int) -> Any:  # noqa: ANN401
    for choice in choices(hint):
        if typing.get_origin(choice) is container:
            return typing.get_args(choice)[place]
    return Any


def _plain(name: str) -> str:
    """CloudFormation writes SSEAlgorithm or Endpoint.Address, Python sse_algorithm or attr_endpoint_address."""
    return name.replace("_", "").replace(".", "").lower()
