"""A registered model on its way to being served: approved, and written into a stage file. The deploy is another step.

CloudFormation alone owns the live endpoint: what is promoted changes nothing until `cdk deploy` is told of it.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ops.errors import OperatorError


@dataclass(frozen=True)
class Promoted:
    """A version of the registry as the stage file names it."""

    artifact: str
    version: str


def approve(sagemaker: Any, package: str, *, reason: str) -> Promoted:  # noqa: ANN401 - a client of boto3's
    """The registry says from now on that somebody wants it served, and why."""
    found = sagemaker.describe_model_package(ModelPackageName=package)
    (container,) = found["InferenceSpecification"]["Containers"]
    if found["ModelApprovalStatus"] != "Approved":
        sagemaker.update_model_package(
            ModelPackageArn=package, ModelApprovalStatus="Approved", ApprovalDescription=reason
        )
    return Promoted(urlsplit(container["ModelDataUrl"]).path.lstrip("/"), str(found["ModelPackageVersion"]))


def written(stage_file: str, promoted: Promoted) -> str:
    """The stage file's text with the model in it; comments and everything else stay as they are."""
    head, found, rest = stage_file.partition("[model]\n")
    section, next_one, tail = rest.partition("\n[")
    for key, value in (("artifact", promoted.artifact), ("version", promoted.version)):
        section, count = re.subn(rf'^{key} = "[^"]*"', f'{key} = "{value}"', section, flags=re.MULTILINE)
        if not found or count != 1:
            raise OperatorError(f'The stage file has no line model.{key} = "...": put it back, as in config/dev.toml.')
    return head + found + section + next_one + tail
