"""What SageMaker asks of a pipeline's definition before it takes it: its language, references and steps' arguments."""

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from local.records import Document
from local.sagemaker.names import validation
from local.shapes import operation_model

VERSION = "2020-12-01"
NAME = re.compile(r"[A-Za-z0-9-_]{1,64}")
FUNCTIONS = {"Get", "Std:Join", "Std:JsonGet"}
PARAMETER_TYPES = {"String", "Integer", "Float", "Boolean"}
# What a step's arguments are handed to, and what the pipeline itself adds to them.
CALLS = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "j"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "j"}),
    "Tuning": ("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "j"}),
    "Transform": ("CreateTransformJob", {"TransformJobName": "j"}),
    "RegisterModel": ("CreateModelPackage", {}),
}
WITHOUT_CALL = {"Condition": {"Conditions", "IfSteps", "ElseSteps"}, "Fail": {"ErrorMessage"}}
# What a step may say beside its type and arguments, and what it may have that a run here would not heed.
MEMBERS = {"Name", "Type", "Arguments", "DependsOn", "PropertyFiles", "DisplayName", "Description"}
UNAVAILABLE = {"CacheConfig", "RetryPolicies"}


def read(text: str) -> Document:
    """The definition, or the error that names what is wrong with it."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise validation(f"The pipeline definition is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise validation("The pipeline definition is not a JSON object.")
    faults = list(_faults(document))
    if faults:
        raise validation("Unable to parse pipeline definition: " + "; ".join(faults) + ".")
    return document


def steps(document: Document) -> list[Document]:
    """Every step, those behind conditions among them."""
    return list(_steps(document.get("Steps", [])))


def _steps(listed: list[Any]) -> Iterator[Document]:
    for step in listed:
        if isinstance(step, dict):
            yield step
            if step.get("Type") == "Condition":
                arguments = step.get("Arguments", {})
                yield from _steps([*arguments.get("IfSteps", []), *arguments.get("ElseSteps", [])])


def _faults(document: Document) -> Iterator[str]:
    if document.get("Version") != VERSION:
        yield f"Version is {document.get('Version')!r}, allowed is {VERSION}"
    if not document.get("Steps"):
        yield "Steps is empty"
    parameters = [one.get("Name") for one in document.get("Parameters", [])]
    for one in document.get("Parameters", []):
        if one.get("Type") not in PARAMETER_TYPES:
            yield f"parameter {one.get('Name')} has the type {one.get('Type')!r}"
    found = steps(document)
    names = [str(step.get("Name")) for step in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two steps are named {name}"
    for step in found:
        yield from _step_faults(step)
    properties = {str(s.get("Name")): [p.get("PropertyFileName") for p in s.get("PropertyFiles", [])] for s in found}
    for path in _references(document):
        yield from _reference_faults(path, parameters, properties)


def _step_faults(step: Document) -> Iterator[str]:
    name, kind, arguments = step.get("Name"), step.get("Type"), step.get("Arguments", {})
    for member in sorted(member for member in UNAVAILABLE & set(step) if _acts(step[member])):
        yield f"step {name}: {member} is not available in the embedded AWS"
    for member in sorted(set(step) - MEMBERS - UNAVAILABLE):
        yield f"step {name}: unknown member {member}"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"a step is named {name!r}"
    elif kind in WITHOUT_CALL:
        unknown = sorted(set(arguments) - WITHOUT_CALL[kind])
        if unknown:
            yield f"step {name}: unknown argument {', '.join(unknown)}"
    elif kind in CALLS:
        call, added = CALLS[kind]
        shape = operation_model("sagemaker", call).input_shape
        report = ParamValidator().validate(_resolved({**arguments, **added}, shape), shape).generate_report()
        if report:
            yield f"step {name}: {' '.join(report.split())}"
    else:
        yield f"step {name}: the type {kind!r} is not available in the embedded AWS"


def _acts(setting: Any) -> bool:  # noqa: ANN401 - any JSON value
    """A cache that is off and an empty list change nothing."""
    return bool(setting) and not (isinstance(setting, dict) and setting.get("Enabled") is False)


def _reference_faults(path: str, parameters: list[Any], properties: dict[str, list[Any]]) -> Iterator[str]:
    root, _, rest = path.partition(".")
    target = rest.split(".")[0]
    if root == "Parameters":
        if rest not in parameters:
            yield f"there is no parameter {rest}"
    elif root == "Steps":
        file = re.fullmatch(rf"{re.escape(target)}\.PropertyFiles\.(.+)", rest)
        if target not in properties:
            yield f"{path} refers to a step that does not exist"
        elif file and file[1] not in properties[target]:
            yield f"{path} refers to a property file that the step does not have"
    elif root != "Execution":
        yield f"{path} is no reference"


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            yield str(value["Get"])
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolved(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - any JSON value
    """Functions stand for what a run will put there: something of the type that the call wants."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in FUNCTIONS:
        return {"integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True}.get(shape.type_name, "x" * 40)
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            key: _resolved(inner, shape.members[key]) if key in shape.members else inner for key, inner in value.items()
        }
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _resolved(inner, shape.value) for key, inner in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_resolved(inner, shape.member) for inner in value]
    return value
