"""The definition that a template hands to SageMaker, as SageMaker would read it."""

import json

from tests import synth
from tests.stacks.test_permissions import plain


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
