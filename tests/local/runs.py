"""Runs of pipelines for tests: their definitions' steps, and what became of them."""

import json
import time
import uuid

from tests.embedded import ALLOW_ALL, fresh
from tests.local.jobs import TOOLKIT

LATEST_SECONDS = 60
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


def get(path):
    return {"Get": path}


def processing(name, program, role, outputs=None, **more):
    listed = [
        {
            "OutputName": output,
            "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{output}", "S3UploadMode": "EndOfJob"},
        }
        for output, uri in (outputs or {}).items()
    ]
    arguments = {
        "RoleArn": role,
        "AppSpecification": {"ImageUri": TOOLKIT, "ContainerEntrypoint": ["python3", "-c", program]},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "ProcessingOutputConfig": {"Outputs": listed},
        **more.pop("arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def condition(name, conditions, yes=(), no=(), **more):
    arguments = {"Conditions": conditions, "IfSteps": list(yes), "ElseSteps": list(no)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def fail(name, message, **more):
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def run(embedded, *steps, role=None, parameters=(), given=None, **more):
    """A new pipeline of these steps, started; the run's ARN."""
    name, sagemaker = fresh("pipeline"), embedded.client("sagemaker")
    definition = {"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)}
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        RoleArn=role or embedded.role(ALLOW_ALL),
        **more,
    )
    return sagemaker.start_pipeline_execution(
        PipelineName=name,
        ClientRequestToken=uuid.uuid4().hex,
        PipelineParameters=[{"Name": key, "Value": value} for key, value in (given or {}).items()],
    )["PipelineExecutionArn"]


def over(embedded, arn, seconds=LATEST_SECONDS):
    """The run's description and its steps by name, once it has ended."""
    sagemaker = embedded.client("sagemaker")
    deadline = time.monotonic() + seconds
    while True:
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        steps = steps_of(embedded, arn)
        if found["PipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped"):
            return found, steps
        assert time.monotonic() < deadline, (found, steps)
        time.sleep(0.05)


def steps_of(embedded, arn):
    found = embedded.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
    return {one["StepName"]: one for one in found["PipelineExecutionSteps"]}
