"""Alarms that may take an update back, looked at as the hosting role, which must be allowed to see each of them."""

from dataclasses import dataclass

from local import joints
from local.authority import CannotAssume, KeyAuthority, assume_role
from local.json_service import AwsError
from local.records import Scope
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, validation


@dataclass(frozen=True)
class RoleAlarms:
    scope: Scope
    endpoint: str
    role: str

    def in_alarm(self, names: tuple[str, ...]) -> str | None:
        """The first of them that is in ALARM."""
        try:
            source = arn(self.scope, "Endpoint", self.endpoint)
            credentials = assume_role(self.scope, self.role, SERVICE_PRINCIPAL, "SageMaker", source)
        except CannotAssume as error:
            raise LaunchFailed(f"Unable to assume the model's execution role: {error}.") from error
        authority = KeyAuthority(credentials.access_key, self.scope.region)
        for name in names:
            alarm = joints.alarm(self.scope.account, self.scope.region, name)
            if alarm is None:
                raise LaunchFailed(f"The alarm {name} that watches the update does not exist.")
            try:
                authority.require("cloudwatch:DescribeAlarms", alarm.arn)
            except AwsError as error:
                raise LaunchFailed(f"The role {self.role} cannot watch the alarm {name}: {error.message}.") from error
            if alarm.state == "ALARM":
                return name
        return None


def refuse_missing(scope: Scope, names: tuple[str, ...]) -> None:
    missing = [name for name in names if joints.alarm(scope.account, scope.region, name) is None]
    if missing:
        raise validation(f"The alarms {', '.join(missing)} of AutoRollbackConfiguration do not exist.")
