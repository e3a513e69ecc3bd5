"""What CodeDeploy does to others, by the role of its deployment group: each call is asked about."""

from dataclasses import dataclass
from functools import cached_property

from local import joints, joints_lambda
from local.authority import CannotAssume, KeyAuthority, assume_role
from local.codedeploy.names import GROUP, PRINCIPAL, arn, group_key
from local.codedeploy.revision import Move
from local.json_service import AwsError
from local.records import Document, Scope

ON_FAILURE = "DEPLOYMENT_FAILURE"


class Ended(Exception):
    """A deployment ends before its last step, for the reason that its errorInformation then tells."""

    def __init__(self, status: str, code: str, message: str, event: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.event = status, code, message, event


def failed(code: str, message: str) -> Ended:
    return Ended("Failed", code, f"The deployment failed because {message}", ON_FAILURE)


@dataclass
class ServiceRole:
    """One deployment's: the role is assumed once, its policies are asked at every call."""

    scope: Scope
    group: Document

    def check(self, move: Move) -> None:
        """That the alias is where the AppSpec says."""
        self._require("lambda:GetAlias", self._function(move))
        self._require("lambda:GetProvisionedConcurrencyConfig", f"{self._function(move)}:{move.alias}")
        found = joints_lambda.alias(self.scope, move.function, move.alias)
        wrong = None
        if found is None:
            wrong = f"The Lambda function alias {move.function}:{move.alias} does not exist."
        elif found["FunctionVersion"] != move.current:
            wrong = "The Lambda function alias version does not match the current version in AppSpec file."
        if wrong is not None:
            text = "the AppSpec file that specifies the AWS Lambda deployment configuration is missing or has an "
            raise failed("INVALID_LAMBDA_CONFIGURATION", f"{text}invalid configuration. {wrong}")

    def move(self, move: Move, share: float) -> None:
        """As on AWS, the alias names the old version until the new one has all calls."""
        self._require("lambda:UpdateAlias", self._function(move))
        version = move.target if share >= 1 else move.current
        weights = {move.target: share} if 0 < share < 1 else {}
        status, body = joints_lambda.move_alias(self.scope, move.function, move.alias, version, weights)
        if status >= 400:  # noqa: PLR2004 - HTTP
            raise failed("INVALID_LAMBDA_CONFIGURATION", f"Lambda refused to move the alias: {body.decode()}")

    def alarms(self) -> list[str]:
        """Those of the group that are in ALARM."""
        watch = self.group.get("alarmConfiguration", {})
        if not watch.get("enabled"):
            return []
        active = []
        for name in (one["name"] for one in watch["alarms"]):
            found = joints.alarm(self.scope.account, self.scope.region, name)
            try:
                if found is None:
                    raise failed("ALARM_ACTIVE", f"there is no alarm {name} to be watched.")
                self._require("cloudwatch:DescribeAlarms", found.arn)
            except Ended:
                if watch.get("ignorePollAlarmFailure"):
                    continue
                raise
            if found.state == "ALARM":
                active.append(name)
        return active

    def _function(self, move: Move) -> str:
        return f"arn:aws:lambda:{self.scope.region}:{self.scope.account}:function:{move.function}"

    @cached_property
    def _authority(self) -> KeyAuthority:
        source = arn(self.scope, GROUP, group_key(self.group))
        credentials = assume_role(self.scope, self.group["serviceRoleArn"], PRINCIPAL, "CodeDeploy", source)
        return KeyAuthority(credentials.access_key, self.scope.region)

    def _require(self, action: str, resource: str) -> None:
        try:
            self._authority.require(action, resource)
        except (CannotAssume, AwsError) as error:
            role, said = self.group["serviceRoleArn"], error.message if isinstance(error, AwsError) else error
            text = f"the IAM role {role} does not give CodeDeploy permission to perform {action}: {said}"
            raise failed("IAM_ROLE_PERMISSIONS", text) from error
