"""An AWS service that speaks JSON 1.1: one handler an operation, validated against botocore's model, authorised by ARN.

The gateway serves it like its own services; CloudFormation calls the same operations in process, so that a template
and an API call can never differ.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from local.records import Document, Records, Scope
from local.shapes import ShapeError, output, service_model, validate

CONTENT_TYPE = "application/x-amz-json-1.1"
HttpAnswer = tuple[int, dict[str, str], bytes]


class AwsError(Exception):
    """An error as the service's own API words it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Authority(Protocol):
    """Who asks, and whether IAM lets them; a refusal is an AwsError."""

    def require(self, action: str, resource: str, context: Document | None = None) -> None: ...


@dataclass(frozen=True)
class Call:
    """One call of one operation."""

    operation: str
    params: Document
    scope: Scope
    authority: Authority

    def require_pass_role(self, role_arn: str, service: str) -> None:
        self.authority.require("iam:PassRole", role_arn, {"iam:PassedToService": service})


@dataclass(frozen=True)
class Operation:
    """What runs, and the ARNs that IAM is asked about (`*` where the action has no resource)."""

    run: Callable[[Call], Document]
    resources: Callable[[Call], Iterable[str]] = lambda call: ("*",)
    context: Callable[[Call], Document] = lambda call: {}
    """The condition keys that the action has beside those of every request."""
    resource_context: Callable[[Call, str], Document] = lambda call, resource: {}
    """Those that each of its resources has."""


class JsonService:
    """Operations by name, over one store."""

    def __init__(self, name: str, target_prefix: str, iam_prefix: str, missing: str) -> None:
        self.name = name
        self.target_prefix = target_prefix
        self.iam_prefix = iam_prefix
        self.missing = missing
        self.records = Records()
        self.operations: dict[str, Operation] = {}

    def add(self, name: str, operation: Operation) -> None:
        if name not in service_model(self.name).operation_names:
            raise ValueError(f"{self.name} has no operation {name}")
        self.operations[name] = operation

    def call(self, call: Call) -> Document:
        """Validate, authorise, run; the answer holds only what the operation's answer may."""
        operation = self.operations.get(call.operation)
        if operation is None:
            raise AwsError("UnknownOperationException", f"{call.operation} is not available in the embedded AWS.")
        # Authorised before validated, as on AWS: who may not call learns nothing about the arguments.
        for resource in operation.resources(call):
            context = {**operation.context(call), **operation.resource_context(call, resource)}
            call.authority.require(f"{self.iam_prefix}:{call.operation}", resource, context)
        try:
            validate(self.name, call.operation, call.params)
        except ShapeError as error:
            raise AwsError("ValidationException", f"{call.operation}: {error}.") from error
        return output(self.name, call.operation, operation.run(call))

    def answer(self, target: str, body: bytes, scope: Scope, authority: Authority) -> HttpAnswer:
        """One HTTP request's worth of `call`."""
        try:
            params = json.loads(body or b"{}")
            if not isinstance(params, dict):
                raise TypeError
        except (ValueError, TypeError):
            return error_answer(AwsError("SerializationException", "The body is not a JSON object."))
        try:
            document = self.call(Call(target.rsplit(".", 1)[-1], params, scope, authority))
        except AwsError as error:
            return error_answer(error)
        return 200, {"Content-Type": CONTENT_TYPE}, json.dumps(document).encode()

    def required(self, scope: Scope, kind: str, name: str) -> Document:
        """The record, or the error by which this service says that there is none."""
        document = self.records.get(scope, kind, name)
        if document is None:
            raise AwsError(self.missing, f'Could not find {spaced(kind)} "{name}".')
        return document

    def refuse_taken(self, scope: Scope, kind: str, name: str) -> None:
        existing = self.records.get(scope, kind, name)
        if existing is not None:
            raise AwsError(
                "ValidationException", f'Cannot create already existing {spaced(kind)} "{existing[f"{kind}Arn"]}".'
            )


def error_answer(error: AwsError) -> HttpAnswer:
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    return error.status, {"Content-Type": CONTENT_TYPE, "x-amzn-errortype": error.code}, body


def spaced(kind: str) -> str:
    """EndpointConfig as the messages of AWS write it: endpoint config."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()


def now() -> float:
    return round(time.time(), 3)
