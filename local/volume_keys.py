"""Keys of volumes. No volume is made here, but a key that could not encrypt one on AWS fails what would need it.

A service attaches an encrypted volume by a grant on its key, which somebody must be allowed to give it.
"""

from local import joints
from local.json_service import Authority, AwsError
from local.records import Scope


class UnusableKey(Exception):
    """Why no volume can be encrypted with a key, in KMS's words."""


def usable(scope: Scope, key: str) -> str:
    """The ARN of the key that an ARN, an id or an alias names."""
    arn = joints.kms_key_arn(scope.account, scope.region, key)
    if arn is None:
        raise UnusableKey(f"Key '{key}' does not exist")
    if (found := joints.unusable_key(arn)) is not None:
        raise UnusableKey(str(found.message).rstrip("."))
    return arn


def require_grant(scope: Scope, key: str, giver: Authority, service: str) -> None:
    """AwsError where the giver may not, UnusableKey where nobody could."""
    context = {
        "kms:ViaService": f"{service}.{scope.region}.amazonaws.com",
        "kms:GrantIsForAWSResource": "true",
        "kms:CallerAccount": scope.account,
    }
    giver.require("kms:CreateGrant", usable(scope, key), context)


def may_grant(scope: Scope, key: str, giver: Authority, service: str) -> bool:
    try:
        require_grant(scope, key, giver, service)
    except (AwsError, UnusableKey):
        return False
    return True
