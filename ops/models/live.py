"""What a stage's endpoint serves now, and what it served before."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from config.names import CLASSIFIER
from ops.stage import Stage

STARTER = "starter"


@dataclass(frozen=True)
class Served:
    """One variant's model."""

    variant: str
    artifact: str
    share: float
    """Of the requests; a shadow gets copies and has none."""
    instance_type: str
    shadow: bool = False


@dataclass(frozen=True)
class Live:
    """The endpoint as SageMaker describes it."""

    endpoint: str
    config: str
    status: str
    since: str
    variants: tuple[Served, ...]

    @property
    def artifact(self) -> str:
        """Of the first variant, which model.artifact names."""
        return self.variants[0].artifact


@dataclass(frozen=True)
class Past:
    """An entry of the record that the Serving stack writes."""

    artifact: str
    version: str
    since: str
    by: str


def live(stage: Stage) -> Live:
    sagemaker, bucket = stage.client("sagemaker"), stage.output("data", "BucketName")
    found = sagemaker.describe_endpoint(EndpointName=stage.output("serving", "EndpointName"))
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    weights = {one["VariantName"]: one.get("CurrentWeight", 1.0) for one in found.get("ProductionVariants", [])}
    total = sum(weights.values()) or 1.0
    variants = [
        Served(
            one["VariantName"],
            artifact_of(model_url(sagemaker, one["ModelName"]), bucket),
            weights.get(one["VariantName"], 0.0) / total,
            one.get("InstanceType", ""),
        )
        for one in config["ProductionVariants"]
    ]
    shadows = [
        Served(
            one["VariantName"],
            artifact_of(model_url(sagemaker, one["ModelName"]), bucket),
            0.0,
            one.get("InstanceType", ""),
            shadow=True,
        )
        for one in config.get("ShadowProductionVariants", [])
    ]
    since = config["CreationTime"].astimezone().isoformat(timespec="seconds")
    return Live(
        found["EndpointName"], config["EndpointConfigName"], found["EndpointStatus"], since, (*variants, *shadows)
    )


def model_url(sagemaker: Any, model: str) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
    """Where the classifier's artefact lies; in an inference pipeline it is one container among others."""
    found = sagemaker.describe_model(ModelName=model)
    containers = [found["PrimaryContainer"]] if found.get("PrimaryContainer") else found["Containers"]
    named = [one for one in containers if one.get("ContainerHostname") == CLASSIFIER]
    return str((named or containers)[0]["ModelDataUrl"])


def artifact_of(url: str, bucket: str) -> str:
    """As the stage file names it. What does not lie in the stage's bucket is the model that ships with the app."""
    parts = urlsplit(url)
    return parts.path.lstrip("/") if parts.netloc == bucket else STARTER


def past(stage: Stage) -> list[Past]:
    """What was live, the present first: a hundred deploys, as Systems Manager keeps them."""
    pages = stage.client("ssm").get_paginator("get_parameter_history")
    entries = list(pages.paginate(Name=stage.output("serving", "LiveModelRecord")).search("Parameters[]"))
    found: list[Past] = []
    for one in sorted(entries, key=lambda entry: entry["Version"]):
        said = json.loads(one["Value"])
        # A deploy that changed something else of the record is no other model.
        if not found or (found[-1].artifact, found[-1].version) != (said["artifact"], said["version"]):
            since = one["LastModifiedDate"].astimezone().isoformat(timespec="seconds")
            found.append(Past(said["artifact"], said["version"], since, one.get("LastModifiedUser", "")))
    return found[::-1]
