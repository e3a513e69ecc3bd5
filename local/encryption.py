"""Which KMS permissions an S3 request needs, as S3 asks them in the caller's name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local import joints

# Both calls of a multipart upload authorise as PutObject; AWS asks for Decrypt too there, which no single call shows.
READS = ("s3:GetObject", "s3:GetObjectVersion")
WRITES = ("s3:PutObject",)
_KEY_HEADER = "s3:x-amz-server-side-encryption-aws-kms-key-id"


def encryption_checks(
    action: str, resource: str, region: str, context: Mapping[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(KMS action, key ARN, condition keys) of one object request; none where no KMS key is involved."""
    bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
    if not key:
        return
    if action in READS:
        key_id = joints.object_encryption_key(bucket, key)
        needed = "kms:Decrypt"
    elif action in WRITES:
        named = context.get(_KEY_HEADER)
        key_id = (named[0] if isinstance(named, list) else named) or joints.bucket_encryption_key(bucket)
        needed = "kms:GenerateDataKey"
    else:
        return
    if key_id:
        yield (
            needed,
            _key_arn(key_id, region),
            {
                "kms:ViaService": f"s3.{region}.amazonaws.com",
                "kms:CallerAccount": joints.account(),
                "kms:EncryptionContext:aws:s3:arn": resource,
            },
        )


def _key_arn(key_id: str, region: str) -> str:
    return key_id if key_id.startswith("arn:") else f"arn:aws:kms:{region}:{joints.account()}:key/{key_id}"


def granted(principal: str, action: str, grants: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a grant allows the call. One with constraints counts for nothing: what it constrains is not looked at."""
    for grant in grants:
        grantee = str(grant.get("GranteePrincipal", ""))
        named = grantee == principal or (":role/" in grantee and _role_of(grantee) == _role_of(principal))
        if named and action.split(":")[1] in grant.get("Operations", []) and not grant.get("Constraints"):
            return True
    return False


def _role_of(arn: str) -> tuple[str, str]:
    """Account and role name of a role's ARN or of a session's."""
    account, resource = arn.split(":", 5)[4:6]
    kind, _, path = resource.partition("/")
    return account, path.split("/", 1)[0] if kind == "assumed-role" else path.rsplit("/", 1)[-1]
