"""Finds an image in ECR by its tag and names it by its digest, which no later push can change."""

from typing import Any, Protocol

from botocore.exceptions import ClientError

_OCI_PREFIX = "application/vnd.oci."
_CHINA = "aws-cn"


class EcrClient(Protocol):
    """The one operation that is used of botocore's `ecr` client."""

    def describe_images(self, **arguments: object) -> dict[str, Any]: ...


class UnusableImage(Exception):
    """The image is there, but SageMaker would not host it; the message says what to change."""


def find_image(ecr: EcrClient, stack_id: str, repository: str, tag: str) -> str | None:
    """The image's URI with its digest, or None when the repository has no such tag; it is in the stack's region."""
    try:
        details = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    if not details:
        return None
    if str(details[0].get("imageManifestMediaType", "")).startswith(_OCI_PREFIX):
        raise UnusableImage(
            f"The image {repository}:{tag} has an OCI manifest, which SageMaker hosting refuses; delete the image and "
            "build it with --provenance=false --sbom=false, so that it gets a Docker manifest."
        )
    # From the stack's own ARN, since asking for the repository's URI would take one more permission.
    _, partition, _, region, *_ = stack_id.split(":")
    domain = "amazonaws.com.cn" if partition == _CHINA else "amazonaws.com"
    return f"{details[0]['registryId']}.dkr.ecr.{region}.{domain}/{repository}@{details[0]['imageDigest']}"
