"""AWS::SageMaker::Pipeline: made, changed in place and deleted by the API's own calls."""

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from local.cloudformation import Kind, Properties, Provisioned, call
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError, JsonService

BODY = "PipelineDefinitionBody"


@dataclass(frozen=True)
class PipelineKind(Kind):
    """Its physical id is its name; a template writes the definition as an object that holds it."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        params = {**_as_call(properties), "ClientRequestToken": uuid.uuid4().hex}
        call(self.service, "CreatePipeline", self.known("CreatePipeline", params))
        return params["PipelineName"], {}

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        params = {key: value for key, value in _as_call(new).items() if key != "Tags"}
        call(self.service, "UpdatePipeline", self.known("UpdatePipeline", {**params, "PipelineName": physical_id}))
        arn = call(self.service, "DescribePipeline", {"PipelineName": physical_id})["PipelineArn"]
        super().update(arn, old, new, stack)
        return physical_id, {}

    def existing(self, physical_id: str) -> str:
        return physical_id.rsplit("/", 1)[-1]

    def delete(self, physical_id: str, properties: Properties) -> None:
        try:
            call(self.service, "DeletePipeline", {"PipelineName": physical_id, "ClientRequestToken": uuid.uuid4().hex})
        except AwsError as error:
            if error.code != "ResourceNotFound":
                raise


def _as_call(properties: Properties) -> Properties:
    """The API takes the definition as text, or its place in S3."""
    definition: Any = properties.get("PipelineDefinition")
    if not isinstance(definition, dict):
        return properties
    unknown = sorted(set(definition) - {BODY, "PipelineDefinitionS3Location"})
    if unknown:
        raise AwsError("ValidationException", f"PipelineDefinition has no member {', '.join(unknown)}.")
    rest = {key: value for key, value in properties.items() if key != "PipelineDefinition"}
    if "PipelineDefinitionS3Location" in definition:
        return {**rest, "PipelineDefinitionS3Location": definition["PipelineDefinitionS3Location"]}
    body = definition.get(BODY)
    return {**rest, "PipelineDefinition": body if isinstance(body, str) else json.dumps(body)}


def pipeline_type(service: JsonService) -> ResourceType:
    kind = PipelineKind(service, "Pipeline").resource_type()
    return replace(kind, replacing=("PipelineName",))
