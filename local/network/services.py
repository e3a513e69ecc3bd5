"""What a request is for: MiniStack's name of the service, and the last part of the name of its VPC endpoints."""

import re
from collections.abc import Mapping
from typing import Any

from local import joints

# Where AWS's endpoints have another name than the service in a request's signature.
ENDPOINTS = {"apigateway": "execute-api", "ecr": "ecr.api", "sagemaker": "sagemaker.api"}
RUNTIME, RUNTIME_PATH = "sagemaker.runtime", re.compile(r"/endpoints/[^/]+/(async-)?invocations")


def service_of(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """Commands of Systems Manager, which this package runs, are Systems Manager's."""
    found = joints.service_of(method, path, headers, query)
    return "ssm" if found == "run-command" else found


def endpoint_name(service: str, path: str) -> str:
    if service == "sagemaker" and RUNTIME_PATH.match(path):
        return RUNTIME
    return ENDPOINTS.get(service, service)
