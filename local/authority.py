"""Who asks, and the temporary credentials that a service gets when it works for a role."""

from dataclasses import dataclass

from local import joints
from local.json_service import AwsError
from local.records import Document, Scope


@dataclass(frozen=True)
class KeyAuthority:
    """The owner of an access key, whose signature the gateway has checked."""

    access_key: str
    region: str

    def require(self, action: str, resource: str, context: Document | None = None) -> None:
        found = joints.denial(self.access_key, action, resource, self.region, context)
        if found is not None:
            raise AwsError(found.code, found.message, status=400)


@dataclass(frozen=True)
class ServiceAuthority:
    """The embedded AWS itself, where AWS would use a service-linked role."""

    def require(self, action: str, resource: str, context: Document | None = None) -> None:
        """AWS gives such roles what they need."""


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role."""

    access_key: str
    secret_key: str
    token: str

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }


class CannotAssume(Exception):
    """The role does not exist, or its trust policy does not name the service under these conditions."""


def assume_role(  # noqa: PLR0917 - who for whom, and until when
    scope: Scope,
    role_arn: str,
    service: str,
    session_name: str,
    source_arn: str | None,
    ends: float | None = None,
) -> Credentials:
    """Credentials of a role for an AWS service, if the role's trust policy lets that service assume it.

    A service that says for which resource it asks is one whose requests have `source_arn`; EC2's have none.
    """
    with joints.scope(scope.account, scope.region):
        role = joints.role(scope.account, role_arn)
        if role is None:
            raise CannotAssume(f"there is no role {role_arn}")
        context = {"aws:SourceAccount": scope.account, "aws:SourceArn": source_arn} if source_arn else {}
        trust = role["AssumeRolePolicyDocument"]
        if not joints.service_may(trust, service, "sts:AssumeRole", role_arn, scope.region, context):
            raise CannotAssume(f"the trust policy of {role_arn} does not let {service} assume it for {source_arn}")
        return Credentials(*joints.open_session(scope.account, role_arn, session_name[:64], ends))
