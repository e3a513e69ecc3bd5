"""ARNs of CodeDeploy, and what it says of things that are not there."""

from local.json_service import AwsError, Call
from local.records import Document, Records, Scope

APPLICATION, GROUP, CONFIG, DEPLOYMENT = "Application", "DeploymentGroup", "DeploymentConfig", "Deployment"
PRINCIPAL = "codedeploy.amazonaws.com"
WORDS = {APPLICATION: "application", GROUP: "deployment group", CONFIG: "deployment configuration"}


def arn(scope: Scope, kind: str, name: str) -> str:
    return f"arn:aws:codedeploy:{scope.region}:{scope.account}:{kind.lower()}:{name}"


def group_key(params: Document) -> str:
    """How a group is filed, and the last part of its ARN."""
    return f"{params.get('applicationName', '')}/{params.get('deploymentGroupName', '')}"


def required(records: Records, scope: Scope, kind: str, name: str) -> Document:
    found = records.get(scope, kind, name)
    if found is None:
        raise AwsError(f"{kind}DoesNotExistException", f"No {WORDS.get(kind, kind.lower())} found for name: {name}")
    return found


def refuse_taken(records: Records, scope: Scope, kind: str, name: str) -> None:
    if records.get(scope, kind, name) is not None:
        raise AwsError(f"{kind}AlreadyExistsException", f"The {WORDS[kind]} {name} exists already.")


def not_available(what: str) -> AwsError:
    return AwsError("ValidationException", f"{what} is not available in the embedded AWS.")


def application_arn(call: Call) -> tuple[str, ...]:
    return (arn(call.scope, APPLICATION, call.params.get("applicationName", "*")),)


def config_arn(call: Call) -> tuple[str, ...]:
    return (arn(call.scope, CONFIG, call.params.get("deploymentConfigName", "*")),)


def group_arn(call: Call) -> tuple[str, ...]:
    name = call.params.get("deploymentGroupName") or call.params.get("currentDeploymentGroupName", "*")
    return (arn(call.scope, GROUP, f"{call.params.get('applicationName', '*')}/{name}"),)
