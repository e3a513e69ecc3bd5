"""AWS::IAM::OIDCProvider: IAM's own record of an identity provider, of which an account holds one a host."""

from local import joints
from local.cloudformation import Properties, Provisioned, authority, tags
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError

KNOWN = ("ClientIdList", "Tags", "ThumbprintList", "Url")


def resource_type() -> ResourceType:
    return ResourceType(create=_create, update=_update, delete=_delete, replacing=("Url",), tagged=True)


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    unknown = sorted(set(properties) - set(KNOWN))
    if unknown:
        raise AwsError("ValidationException", f"AWS::IAM::OIDCProvider has no property {', '.join(unknown)}.")
    url = str(properties.get("Url", ""))
    if not url.startswith("https://"):
        raise AwsError("ValidationError", "Url of an AWS::IAM::OIDCProvider begins with https://.")
    arn = f"arn:aws:iam::{joints.account()}:oidc-provider/{url.removeprefix('https://').rstrip('/')}"
    authority().require("iam:CreateOpenIDConnectProvider", arn)
    if arn in joints.identity_providers():
        raise AwsError("EntityAlreadyExists", f"Provider with url {url} already exists.", status=409)
    joints.identity_providers()[arn] = {**_record(properties), "Url": url, "Arn": arn, "CreateDate": joints.iso_now()}
    return arn, {"Arn": arn}


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    authority().require("iam:AddClientIDToOpenIDConnectProvider", physical_id)
    joints.identity_providers()[physical_id] |= _record(new)
    return physical_id, {"Arn": physical_id}


def _delete(physical_id: str, properties: Properties) -> None:
    authority().require("iam:DeleteOpenIDConnectProvider", physical_id)
    joints.identity_providers().pop(physical_id, None)


def _record(properties: Properties) -> Properties:
    return {
        "ClientIDList": properties.get("ClientIdList", []),
        "ThumbprintList": properties.get("ThumbprintList", []),
        "Tags": [{"Key": key, "Value": value} for key, value in tags(properties).items()],
    }
