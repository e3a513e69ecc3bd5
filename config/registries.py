"""What an image URI of Amazon's registry says: hosting pulls from nowhere else, and from its own region only."""

import re
from dataclasses import dataclass

ECR_URI = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[a-z0-9][a-z0-9._/-]*)"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Repository:
    account: str
    region: str
    name: str


def ecr_repository(uri: str) -> Repository:
    found = ECR_URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri} names no image in ECR")
    return Repository(found["account"], found["region"], found["name"])
