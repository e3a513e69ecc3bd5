"""The definition that a template hands to SageMaker, as SageMaker would read it."""

import json
import re

from botocore import session
from botocore.validate import ParamValidator

from tests import synth
from tests.stacks.test_permissions import plain

CALLS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Tuning": "CreateHyperParameterTuningJob",
    "RegisterModel": "CreateModelPackage",
}
NAMES = {
    "Processing": {"ProcessingJobName": "j"},
    "Training": {"TrainingJobName": "j"},
    "Tuning": {"HyperParameterTuningJobName": "j"},
    "RegisterModel": {},
}
WEIGHTS = {"key": "weights/resnet50-11ad3fa6.pth", "sha256": f"11ad3fa6{'ab' * 28}"}
KNOWN_AT_DEPLOY = "arn:aws:iam::000000000000:role/known-at-deploy"


def training(stage="dev"):
    return synth.templates(stage)["training"]


def definition(template):
    body = synth.only(template, "AWS::SageMaker::Pipeline")["PipelineDefinition"]["PipelineDefinitionBody"]
    _, parts = body["Fn::Join"]
    return json.loads("".join(_known(part) for part in parts))


def _known(part):
    """What the deploy fills in, as a person would write it; of a repository's address the parts are beside the point."""
    shown = plain(part) if not isinstance(part, dict) or next(iter(part)) not in {"Fn::Select", "Fn::Split"} else part
    return shown if isinstance(shown, str) else "<part>"


def steps(template):
    """Name -> step, those behind the condition among them."""
    found = definition(template)["Steps"]
    (decide,) = [step["Arguments"] for step in found if step["Type"] == "Condition"]
    return {step["Name"]: step for step in (*found, *decide["IfSteps"], *decide["ElseSteps"])}


def arguments(template, step):
    return steps(template)[step]["Arguments"]


def trial(template):
    return arguments(template, "Tune")["TrainingJobDefinition"]


def text(value):
    """A value of the definition with its functions written as a person would."""
    match value:
        case {"Get": path}:
            return f"<{path}>"
        case {"Std:Join": {"On": between, "Values": values}}:
            return between.join(text(inner) for inner in values)
        case {"Std:JsonGet": {"PropertyFile": {"Get": source}, "Path": path}}:
            return f"<{source}.{path}>"
    return str(value)


def job(template, step):
    return trial(template) if step == "Tune" else arguments(template, step)


def uri(value):
    """A place in S3; the bucket's generated name is left out."""
    return re.sub(r"^s3://<data:Bucket[^>]*>", "s3://BUCKET", text(value))


def resolved(value, shape):
    """Functions of the definition stand for texts that are known when a run gets there."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in {"Get", "Std:Join", "Std:JsonGet"}:
        return "known-when-it-runs"
    if shape.type_name == "structure":
        return {key: resolved(inner, shape.members[key]) for key, inner in value.items()}
    if shape.type_name == "map":
        return {key: resolved(inner, shape.value) for key, inner in value.items()}
    if shape.type_name == "list":
        return [resolved(inner, shape.member) for inner in value]
    return KNOWN_AT_DEPLOY if isinstance(value, str) and value.startswith("<") else value


def shape_faults(step):
    shape = session.get_session().get_service_model("sagemaker").operation_model(CALLS[step["Type"]]).input_shape
    arguments = {**NAMES[step["Type"]], **step["Arguments"]}
    return ParamValidator().validate(resolved(arguments, shape), shape).generate_report()
