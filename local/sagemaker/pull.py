"""Before an image runs: the role of its job or endpoint must be able to pull it, and the registry know it."""

from local.authority import Credentials, KeyAuthority
from local.images import EcrRepository, Image, ImageRegistry, UnknownImage, ecr_repository
from local.json_service import AwsError
from local.sagemaker.instance import LaunchFailed

PULL_ACTIONS = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def pull(images: ImageRegistry, uri: str, credentials: Credentials, *, own_account: str | None = None) -> Image:
    """With `own_account`, only that account's registry asks the role."""
    repository = ecr_repository(uri)
    if repository is not None and own_account in (None, repository.account):
        _require(uri, repository, credentials)
    try:
        return images.find(uri)
    except UnknownImage as error:
        raise LaunchFailed(f"The image '{uri}' does not exist or could not be pulled: {error}.") from error


def _require(uri: str, repository: EcrRepository, credentials: Credentials) -> None:
    authority = KeyAuthority(credentials.access_key, repository.region)
    try:
        authority.require("ecr:GetAuthorizationToken", "*")
        for action in PULL_ACTIONS:
            authority.require(action, repository.arn)
    except AwsError as error:
        raise LaunchFailed(
            f"The image '{uri}' could not be pulled. Please ensure that the role has permissions to pull it: "
            f"{error.message}."
        ) from error
