"""Images in Amazon's registry: what a URI says, and where AWS keeps its own training images in each region.

SageMaker pulls from nowhere else, and from its own region only.
"""

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


TRAINING_REPOSITORY = "pytorch"
# PyTorch 2.13 with both of SageMaker's toolkits, patched to 2027-07-20.
_TRAINING_TAGS = {"cpu": "2.13-cpu-amzn2023-sagemaker", "gpu": "2.13-cu133-amzn2023-sagemaker"}
_COMMON = "763104351884"
_TRAINING_ACCOUNTS = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-1": _COMMON,
    "ap-northeast-2": _COMMON,
    "ap-northeast-3": "364406365360",
    "ap-south-1": _COMMON,
    "ap-south-2": "772153158452",
    "ap-southeast-1": _COMMON,
    "ap-southeast-2": _COMMON,
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-central-1": _COMMON,
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-1": _COMMON,
    "eu-central-2": "380420809688",
    "eu-north-1": _COMMON,
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "eu-west-1": _COMMON,
    "eu-west-2": _COMMON,
    "eu-west-3": _COMMON,
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "me-west-1": "124382933778",
    "mx-central-1": "637423239942",
    "sa-east-1": _COMMON,
    "us-east-1": _COMMON,
    "us-east-2": _COMMON,
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
    "us-west-1": _COMMON,
    "us-west-2": _COMMON,
}


def training_account(region: str) -> str | None:
    """Whose registry AWS's training images lie in, or None where it keeps none that we know of."""
    return _TRAINING_ACCOUNTS.get(region)


def training_image(region: str, *, gpu: bool) -> str:
    suffix = ".cn" if region.startswith("cn-") else ""
    host = f"{_TRAINING_ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com{suffix}"
    return f"{host}/{TRAINING_REPOSITORY}:{_TRAINING_TAGS['gpu' if gpu else 'cpu']}"
