"""A volume's key: what a job's role must be allowed with it, as on AWS, though no volume is attached here."""

from local.authority import Credentials, KeyAuthority
from local.json_service import AwsError
from local.records import Scope
from local.sagemaker.jobs import JobFailed


def require_volume_key(scope: Scope, key: str | None, credentials: Credentials) -> None:
    """Services attach a volume by a grant on its key."""
    if not key:
        return
    try:
        KeyAuthority(credentials.access_key, scope.region).require(
            "kms:CreateGrant", key_arn(scope, key), {"kms:GrantIsForAWSResource": "true"}
        )
    except AwsError as error:
        raise JobFailed(f"ClientError: The key of the volume cannot be used: {error.message}") from error


def key_arn(scope: Scope, key: str) -> str:
    if key.startswith("arn:"):
        return key
    return f"arn:aws:kms:{scope.region}:{scope.account}:{key if key.startswith('alias/') else f'key/{key}'}"
