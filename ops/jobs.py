"""Jobs that still run for a stage. A job is ours by the role it runs with, which no other stage has."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ops.emptying import UNKNOWN

# SageMaker's client, made at run time.
Client = Any
# Kind -> its calls, and where its list and its description hold name and role.
KINDS = (
    ("training_job", "TrainingJob", "InProgress"),
    ("processing_job", "ProcessingJob", "InProgress"),
    ("transform_job", "TransformJob", "InProgress"),
    ("hyper_parameter_tuning_job", "HyperParameterTuningJob", "InProgress"),
)


def stop_jobs(sagemaker: Client, roles: set[str]) -> list[str]:
    """Stop what runs with one of these roles (names); the jobs' names."""
    stopped = []
    for call, kind, running in KINDS:
        for name in _running(sagemaker, call, kind, running):
            described = getattr(sagemaker, f"describe_{call}")(**{f"{kind}Name": name})
            if _role(sagemaker, described).rsplit("/", 1)[-1] in roles:
                getattr(sagemaker, f"stop_{call}")(**{f"{kind}Name": name})
                stopped.append(name)
    return stopped


def _running(sagemaker: Client, call: str, kind: str, status: str) -> Iterator[str]:
    try:
        pages = sagemaker.get_paginator(f"list_{call}s").paginate(StatusEquals=status)
        yield from pages.search(f"{kind}Summaries[].{kind}Name")
    except ClientError as error:
        if error.response["Error"]["Code"] != UNKNOWN:
            raise


def _role(sagemaker: Client, described: dict[str, Any]) -> str:
    """A transform job runs with its model's role; a tuning job with that of the trainings it starts."""
    if "ModelName" in described:
        return str(sagemaker.describe_model(ModelName=described["ModelName"]).get("ExecutionRoleArn", ""))
    definitions = [described, described.get("TrainingJobDefinition", {}), *described.get("TrainingJobDefinitions", [])]
    return next((str(found["RoleArn"]) for found in definitions if found.get("RoleArn")), "")
