"""The keys of SageMaker's volumes: whose leave attaches one, and what is said where nobody gives it."""

from local import volume_keys
from local.authority import Credentials, KeyAuthority
from local.json_service import AwsError, Call
from local.records import Scope
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.jobs import JobFailed
from local.sagemaker.names import validation
from local.volume_keys import UnusableKey

SERVICE = "sagemaker"


def require_of_caller(call: Call, key: str | None) -> None:
    """An endpoint's and a notebook instance's volumes are attached by leave of whoever asks for them."""
    if not key:
        return
    try:
        volume_keys.require_grant(call.scope, key, call.authority, SERVICE)
    except UnusableKey as error:
        raise validation(f"The key of the volume cannot be used: {error}.") from error


def require_of_role(scope: Scope, key: str | None, credentials: Credentials, by_caller: bool) -> None:
    """A job's are by leave of its role, else of whoever made the job."""
    if not key:
        return
    try:
        if by_caller:
            volume_keys.usable(scope, key)
        else:
            volume_keys.require_grant(scope, key, KeyAuthority(credentials.access_key, scope.region), SERVICE)
    except UnusableKey as error:
        raise JobFailed(f"ClientError: The key of the volume cannot be used: {error}") from error
    except AwsError as error:
        raise JobFailed(f"ClientError: The key of the volume cannot be used: {error.message}") from error


def require_usable(scope: Scope, key: str | None) -> None:
    """For each instance that is launched, long after somebody gave leave."""
    if not key:
        return
    try:
        volume_keys.usable(scope, key)
    except UnusableKey as error:
        raise LaunchFailed(f"The key of the volume cannot be used: {error}.") from error
