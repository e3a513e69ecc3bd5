"""CodeDeploy's applications, deployment configurations and deployment groups."""

import uuid
from collections.abc import Callable

from local.authority import CannotAssume, assume_role
from local.codedeploy.names import (
    APPLICATION,
    CONFIG,
    DEPLOYMENT,
    GROUP,
    PRINCIPAL,
    application_arn,
    arn,
    config_arn,
    group_arn,
    group_key,
    not_available,
    refuse_taken,
    required,
)
from local.codedeploy.routing import fault, predefined
from local.json_service import AwsError, Call, JsonService, Operation, now
from local.records import Document, Scope

LAMBDA = "Lambda"
STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
# What a group for Lambda is made of; all else is for instances and containers, or tells topics what happened.
GROUP_MEMBERS = (
    "applicationName",
    "deploymentGroupName",
    "deploymentConfigName",
    "serviceRoleArn",
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "deploymentStyle",
    "tags",
)
PAGE = 100


def codedeploy_service() -> JsonService:
    return JsonService("codedeploy", "CodeDeploy_20141006.", "codedeploy", missing="ApplicationDoesNotExistException")


class ControlPlane:
    """The operations over one store."""

    def __init__(self, service: JsonService) -> None:
        self.records = service.records
        for name, run, resources in (
            ("CreateApplication", self._create_application, application_arn),
            ("GetApplication", self._get_application, application_arn),
            ("DeleteApplication", self._delete_application, application_arn),
            ("CreateDeploymentConfig", self._create_config, config_arn),
            ("GetDeploymentConfig", self._get_config, config_arn),
            ("DeleteDeploymentConfig", self._delete_config, config_arn),
            ("CreateDeploymentGroup", self._create_group, group_arn),
            ("GetDeploymentGroup", self._get_group, group_arn),
            ("UpdateDeploymentGroup", self._update_group, group_arn),
            ("DeleteDeploymentGroup", self._delete_group, group_arn),
            ("ListDeploymentGroups", self._list_groups, application_arn),
        ):
            service.add(name, Operation(run, resources))
        service.add("ListApplications", Operation(self._list_applications))
        service.add("ListDeploymentConfigs", Operation(self._list_configs))
        for name, run in (
            ("TagResource", self._tag),
            ("UntagResource", self._untag),
            ("ListTagsForResource", self._tags),
        ):
            service.add(name, Operation(run, lambda call: (call.params.get("ResourceArn", "*"),)))

    # --- applications --------------------------------------------------------------------------------------------

    def _create_application(self, call: Call) -> Document:
        name = call.params["applicationName"]
        refuse_taken(self.records, call.scope, APPLICATION, name)
        platform = call.params.get("computePlatform", "Server")
        if platform != LAMBDA:
            raise not_available(f"The compute platform {platform}")
        document = {
            "applicationId": str(uuid.uuid4()),
            "applicationName": name,
            "createTime": now(),
            "linkedToGitHub": False,
            "computePlatform": platform,
            "_tags": call.params.get("tags", []),
        }
        self.records.put(call.scope, APPLICATION, name, document)
        return document

    def _get_application(self, call: Call) -> Document:
        return {"application": required(self.records, call.scope, APPLICATION, call.params["applicationName"])}

    def _list_applications(self, call: Call) -> Document:
        names = [one["applicationName"] for one in self.records.all(call.scope, APPLICATION)]
        return _page("applications", names, call)

    def _delete_application(self, call: Call) -> Document:
        name = call.params["applicationName"]
        required(self.records, call.scope, APPLICATION, name)
        for group in self._groups(call.scope, name):
            self._drop_group(call.scope, group)
        self.records.remove(call.scope, APPLICATION, name)
        return {}

    # --- deployment configurations -------------------------------------------------------------------------------

    def _create_config(self, call: Call) -> Document:
        name, routing = call.params["deploymentConfigName"], call.params.get("trafficRoutingConfig")
        if name in predefined():
            raise AwsError("InvalidDeploymentConfigNameException", f"{name} is CodeDeploy's own.")
        refuse_taken(self.records, call.scope, CONFIG, name)
        platform = call.params.get("computePlatform", "Server")
        if platform != LAMBDA:
            raise not_available(f"The compute platform {platform}")
        wrong = fault(routing)
        if wrong:
            raise AwsError("InvalidTrafficRoutingConfigurationException", wrong)
        document = {**_config(name, routing or {}), "createTime": now()}
        self.records.put(call.scope, CONFIG, name, document)
        return document

    def _get_config(self, call: Call) -> Document:
        return {"deploymentConfigInfo": self.config(call.scope, call.params["deploymentConfigName"])}

    def config(self, scope: Scope, name: str) -> Document:
        own = predefined().get(name)
        return _config(name, own) if own else required(self.records, scope, CONFIG, name)

    def _list_configs(self, call: Call) -> Document:
        names = [*predefined(), *(one["deploymentConfigName"] for one in self.records.all(call.scope, CONFIG))]
        return _page("deploymentConfigsList", names, call)

    def _delete_config(self, call: Call) -> Document:
        name = call.params["deploymentConfigName"]
        required(self.records, call.scope, CONFIG, name)
        used = [one for one in self.records.all(call.scope, GROUP) if one["deploymentConfigName"] == name]
        if used:
            text = f"{name} is used by the deployment group {used[0]['deploymentGroupName']}."
            raise AwsError("DeploymentConfigInUseException", text)
        self.records.remove(call.scope, CONFIG, name)
        return {}

    # --- deployment groups ---------------------------------------------------------------------------------------

    def _create_group(self, call: Call) -> Document:
        key = group_key(call.params)
        required(self.records, call.scope, APPLICATION, call.params["applicationName"])
        refuse_taken(self.records, call.scope, GROUP, key)
        document = self._checked(call, {"deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce", **call.params})
        document |= {"deploymentGroupId": str(uuid.uuid4()), "_tags": document.pop("tags", [])}
        self.records.put(call.scope, GROUP, key, document)
        return document

    def _checked(self, call: Call, document: Document) -> Document:
        unknown = sorted(name for name, value in document.items() if value and name not in GROUP_MEMBERS)
        if unknown:
            raise not_available(f"{', '.join(unknown)} of a deployment group")
        if document.get("deploymentStyle", STYLE) != STYLE:
            text = "A deployment group for Lambda is BLUE_GREEN, WITH_TRAFFIC_CONTROL."
            raise AwsError("InvalidDeploymentStyleException", text)
        watch = document.get("alarmConfiguration", {})
        if watch.get("enabled") and not watch.get("alarms"):
            raise AwsError("InvalidAlarmConfigException", "alarmConfiguration is enabled and names no alarm.")
        self.config(call.scope, document["deploymentConfigName"])
        role = document["serviceRoleArn"]
        call.require_pass_role(role, PRINCIPAL)
        try:
            assume_role(call.scope, role, PRINCIPAL, "CodeDeploy", arn(call.scope, GROUP, group_key(document)))
        except CannotAssume as error:
            raise AwsError("InvalidRoleException", f"Cannot assume role provided: {error}.") from error
        return {"deploymentStyle": STYLE, "computePlatform": LAMBDA, **document}

    def _get_group(self, call: Call) -> Document:
        group = required(self.records, call.scope, GROUP, group_key(call.params))
        return {"deploymentGroupInfo": group}

    def _update_group(self, call: Call) -> Document:
        params = dict(call.params)
        old = group_key({**params, "deploymentGroupName": params.pop("currentDeploymentGroupName")})
        known = required(self.records, call.scope, GROUP, old)
        renamed = params.pop("newDeploymentGroupName", known["deploymentGroupName"])
        if renamed != known["deploymentGroupName"]:
            refuse_taken(self.records, call.scope, GROUP, f"{params['applicationName']}/{renamed}")
        settings = {name: value for name, value in known.items() if name in GROUP_MEMBERS}
        changed = self._checked(call, {**settings, **params, "deploymentGroupName": renamed})
        self.records.remove(call.scope, GROUP, old)
        self.records.put(call.scope, GROUP, group_key(changed), {**known, **changed})
        return {"hooksNotCleanedUp": []}

    def _delete_group(self, call: Call) -> Document:
        group = self.records.get(call.scope, GROUP, group_key(call.params))
        if group is not None:
            self._drop_group(call.scope, group)
        return {"hooksNotCleanedUp": []}

    def _drop_group(self, scope: Scope, group: Document) -> None:
        key = group_key(group)
        self.records.remove(scope, GROUP, key)
        for one in self.records.all(scope, DEPLOYMENT):
            if group_key(one) == key:
                self.records.remove(scope, DEPLOYMENT, one["deploymentId"])

    def _list_groups(self, call: Call) -> Document:
        name = call.params["applicationName"]
        required(self.records, call.scope, APPLICATION, name)
        names = [one["deploymentGroupName"] for one in self._groups(call.scope, name)]
        return {"applicationName": name, **_page("deploymentGroups", names, call)}

    def _groups(self, scope: Scope, application: str) -> list[Document]:
        return [one for one in self.records.all(scope, GROUP) if one["applicationName"] == application]

    # --- tags ----------------------------------------------------------------------------------------------------

    def _tag(self, call: Call) -> Document:
        given = {tag["Key"]: tag for tag in call.params["Tags"]}
        return self._retag(call, lambda tags: [*(tag for tag in tags if tag["Key"] not in given), *given.values()])

    def _untag(self, call: Call) -> Document:
        gone = call.params["TagKeys"]
        return self._retag(call, lambda tags: [tag for tag in tags if tag["Key"] not in gone])

    def _tags(self, call: Call) -> Document:
        return self._retag(call, list)

    def _retag(self, call: Call, change: Callable[[list[Document]], list[Document]]) -> Document:
        given = call.params["ResourceArn"]
        kind, _, name = given.split(":", 5)[-1].partition(":") if given.count(":") > 5 else ("", "", "")  # noqa: PLR2004
        found = next((one for one in (APPLICATION, GROUP) if one.lower() == kind), None)
        if found is None:
            raise AwsError("InvalidArnException", f"{given} is no application and no deployment group.")
        required(self.records, call.scope, found, name)
        with self.records.edit(call.scope, found, name) as document:
            document["_tags"] = change(document["_tags"])
            return {"Tags": list(document["_tags"])}


def _config(name: str, routing: Document) -> Document:
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return {
        "deploymentConfigId": identity,
        "deploymentConfigName": name,
        "computePlatform": LAMBDA,
        "trafficRoutingConfig": routing,
    }


def _page(key: str, names: list[str], call: Call) -> Document:
    start = int(call.params.get("nextToken") or 0)
    more = {"nextToken": str(start + PAGE)} if start + PAGE < len(names) else {}
    return {key: names[start : start + PAGE], **more}
