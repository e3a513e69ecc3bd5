"""The deployed pipeline's own definition: where role, image, code, network, key and hyperparameters of a job stand."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.errors import OperatorError

# SageMaker's client, made at run time; any JSON value.
Client = Any
Value = Any
Json = dict[str, Any]

RUN_ID = "Execution.PipelineExecutionId"
DATASET = "Parameters.DatasetPrefix"
PREPARED = "Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri"
TRAINED = "Steps.Train.ModelArtifacts.S3ModelArtifacts"
FEATURES = "Steps.Features.ProcessingOutputConfig.Outputs['features'].S3Output.S3Uri"
TUNED = "Steps.Tune.BestTrainingJob.TunedHyperParameters['{}']"


@dataclass(frozen=True)
class Definition:
    """SageMaker's definition language, read."""

    document: Json

    @classmethod
    def deployed(cls, sagemaker: Client, pipeline: str) -> "Definition":
        return cls(json.loads(sagemaker.describe_pipeline(PipelineName=pipeline)["PipelineDefinition"]))

    @classmethod
    def of_run(cls, sagemaker: Client, run: str) -> "Definition":
        """As it was when the run began."""
        found = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=run)
        return cls(json.loads(found["PipelineDefinition"]))

    @property
    def steps(self) -> list[Json]:
        """Those behind conditions among them, each after the condition that it stands behind."""
        return list(_steps(self.document["Steps"]))

    def step(self, name: str) -> Json:
        found = next((step for step in self.steps if step["Name"] == name), None)
        if found is None:
            raise OperatorError(
                f"The deployed pipeline has no step {name}: deploy the training stack of this checkout."
            )
        return found

    def arguments(self, step: str, known: Mapping[str, str]) -> Json:
        """What the step hands to its call, with the references in it resolved to what is known."""
        found: Json = _resolved(self.step(step)["Arguments"], known, step)
        return found


def referred(value: Value) -> set[str]:
    """Names of the steps that a value refers to; what a condition's branches refer to is theirs."""
    if isinstance(value, dict):
        if isinstance(path := value.get("Get"), str) and len(value) == 1:
            found = re.match(r"Steps\.([\w-]+)", path)
            return {found[1]} if found else set()
        inner = [one for key, one in value.items() if key not in ("IfSteps", "ElseSteps")]
        return set[str]().union(*map(referred, inner))
    return set[str]().union(*map(referred, value)) if isinstance(value, list) else set()


def _steps(listed: Iterable[Json]) -> Iterator[Json]:
    for step in listed:
        yield step
        if step["Type"] == "Condition":
            yield from _steps([*step["Arguments"].get("IfSteps", []), *step["Arguments"].get("ElseSteps", [])])


def _resolved(value: Value, known: Mapping[str, str], step: str) -> Value:
    if isinstance(value, list):
        return [_resolved(one, known, step) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Get": str(path), **rest} if not rest:
            if path not in known:
                raise OperatorError(
                    f"Step {step} of the deployed pipeline refers to {path}, which this checkout does not know: deploy "
                    "the training stack again, or use the checkout that deployed it."
                )
            return known[path]
        case {"Std:Join": {"On": on, "Values": values}, **rest} if not rest:
            return str(on).join(str(_resolved(one, known, step)) for one in values)
    return {key: _resolved(one, known, step) for key, one in value.items()}
