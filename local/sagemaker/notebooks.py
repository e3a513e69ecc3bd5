"""Notebook instances and their lifecycle configurations: records that are started, stopped, changed and deleted.

A notebook runs nothing here. Its states, its role and who may do what to it are SageMaker's.
"""

import time

from local.authority import CannotAssume, assume_role
from local.json_service import AwsError, Call, JsonService, Operation, listing, now
from local.records import Document
from local.sagemaker.control_plane import named, put_tags, tags_of
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, not_available, validation

KIND, LIFECYCLE = "NotebookInstance", "NotebookInstanceLifecycleConfig"
# How long Pending, Stopping, Updating and Deleting last.
CHANGE_SECONDS = 0.2
UNAVAILABLE = ("AcceleratorTypes", "DefaultCodeRepository", "AdditionalCodeRepositories")
RENAMED = {"LifecycleConfigName": "NotebookInstanceLifecycleConfigName", "SecurityGroupIds": "SecurityGroups"}


class Notebooks:
    """The operations over the store of SageMaker's other records."""

    def __init__(self, service: JsonService) -> None:
        self.service = service
        for name, run in (
            ("Describe", self.described),
            ("Update", self._update),
            ("Start", self._start),
            ("Stop", self._stop),
            ("Delete", self._delete),
        ):
            service.add(f"{name}{KIND}", Operation(run, self._one, self._tags))
        service.add(f"Create{KIND}", Operation(self._create, self._one))
        service.add(f"List{KIND}s", Operation(self._list))
        for name, run in (
            ("Create", self._create_lifecycle),
            ("Update", self._update_lifecycle),
            ("Delete", self._delete_lifecycle),
            ("Describe", self._describe_lifecycle),
        ):
            service.add(f"{name}{LIFECYCLE}", Operation(run, lambda call: named(LIFECYCLE, call)))
        service.add(f"List{LIFECYCLE}s", Operation(self._list_lifecycles))

    def _one(self, call: Call) -> tuple[str, ...]:
        return named(KIND, call)

    def _tags(self, call: Call) -> Document:
        (resource,) = self._one(call)
        return {f"aws:ResourceTag/{name}": value for name, value in tags_of(self.service, call, resource).items()}

    def _create(self, call: Call) -> Document:
        params = call.params
        name = params["NotebookInstanceName"]
        self.service.refuse_taken(call.scope, KIND, name)
        self._check(call, params)
        kept = {key: value for key, value in params.items() if key != "Tags"}
        document = {
            "RootAccess": "Enabled",
            "DirectInternetAccess": "Enabled",
            "VolumeSizeInGB": 5,
            "PlatformIdentifier": "notebook-al2023-v1",
            **{RENAMED.get(key, key): value for key, value in kept.items()},
            "NotebookInstanceArn": arn(call.scope, KIND, name),
            "Url": f"{name.lower()}.notebook.{call.scope.region}.sagemaker.aws",
            "CreationTime": now(),
            "_name": name,
        }
        self.service.records.put(call.scope, KIND, name, document)
        put_tags(self.service, call, document["NotebookInstanceArn"])
        self._change(call, "Pending", "InService")
        return document

    def _check(self, call: Call, params: Document) -> None:
        for member in UNAVAILABLE:
            if params.get(member):
                raise not_available(f"A notebook instance with {member}")
        if params.get("DirectInternetAccess") == "Disabled" and not params.get("SubnetId"):
            raise validation("A notebook instance without direct internet access needs a SubnetId.")
        if params.get("LifecycleConfigName"):
            self.service.required(call.scope, LIFECYCLE, params["LifecycleConfigName"])
        if role := params.get("RoleArn"):
            call.require_pass_role(role, SERVICE_PRINCIPAL)
            try:
                (source,) = self._one(call)
                assume_role(call.scope, role, SERVICE_PRINCIPAL, "SageMaker", source)
            except CannotAssume as error:
                raise validation(f"Could not assume role {role}: {error}.") from error

    def described(self, call: Call) -> Document:
        return self._settled(call)

    def _settled(self, call: Call) -> Document:
        """The record, after whatever was to have happened by now."""
        name = call.params["NotebookInstanceName"]
        document = self.service.required(call.scope, KIND, name)
        if time.time() >= document["_until"] and document["NotebookInstanceStatus"] != document["_then"]:
            if document["_then"] == "Deleted":
                self.service.records.remove(call.scope, KIND, name)
                self.service.records.remove(call.scope, "Tags", document["NotebookInstanceArn"])
                return self.service.required(call.scope, KIND, name)
            document["NotebookInstanceStatus"] = document["_then"]
            self.service.records.put(call.scope, KIND, name, document)
        return document

    def _change(self, call: Call, meanwhile: str, then: str) -> None:
        with self.service.records.edit(call.scope, KIND, call.params["NotebookInstanceName"]) as document:
            document["NotebookInstanceStatus"] = meanwhile
            document["LastModifiedTime"] = now()
            document["_then"], document["_until"] = then, time.time() + CHANGE_SECONDS

    def _require(self, call: Call, *allowed: str) -> None:
        status = self._settled(call)["NotebookInstanceStatus"]
        if status not in allowed:
            (resource,) = self._one(call)
            raise validation(
                f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to transition for ({resource})."
            )

    def _start(self, call: Call) -> Document:
        self._require(call, "Stopped", "Failed")
        self._change(call, "Pending", "InService")
        return {}

    def _stop(self, call: Call) -> Document:
        self._require(call, "InService")
        self._change(call, "Stopping", "Stopped")
        return {}

    def _delete(self, call: Call) -> Document:
        self._require(call, "Stopped", "Failed")
        self._change(call, "Deleting", "Deleted")
        return {}

    def _update(self, call: Call) -> Document:
        self._require(call, "Stopped", "Failed")
        self._check(call, call.params)
        with self.service.records.edit(call.scope, KIND, call.params["NotebookInstanceName"]) as document:
            if call.params.get("DisassociateLifecycleConfig"):
                document.pop("NotebookInstanceLifecycleConfigName", None)
            changed = {key: value for key, value in call.params.items() if not key.startswith("Disassociate")}
            document.update({RENAMED.get(key, key): value for key, value in changed.items()})
        self._change(call, "Updating", "Stopped")
        return {}

    def _list(self, call: Call) -> Document:
        names = [document["_name"] for document in self.service.records.all(call.scope, KIND)]
        found = []
        for name in names:
            one = Call(call.operation, {"NotebookInstanceName": name}, call.scope, call.authority)
            try:
                found.append(self._settled(one))
            except AwsError:
                continue
        if status := call.params.get("StatusEquals"):
            found = [document for document in found if document["NotebookInstanceStatus"] == status]
        return listing(found, "NotebookInstances", call.params)

    def _create_lifecycle(self, call: Call) -> Document:
        name = call.params[f"{LIFECYCLE}Name"]
        self.service.refuse_taken(call.scope, LIFECYCLE, name)
        resource = arn(call.scope, LIFECYCLE, name)
        document = {
            **{key: value for key, value in call.params.items() if key != "Tags"},
            f"{LIFECYCLE}Arn": resource,
            "CreationTime": now(),
            "LastModifiedTime": now(),
            "_name": name,
        }
        self.service.records.put(call.scope, LIFECYCLE, name, document)
        put_tags(self.service, call, resource)
        return document

    def _update_lifecycle(self, call: Call) -> Document:
        """A hook that is not named is taken out."""
        name = call.params[f"{LIFECYCLE}Name"]
        document = self.service.required(call.scope, LIFECYCLE, name)
        kept = {key: value for key, value in document.items() if key not in {"OnCreate", "OnStart"}}
        self.service.records.put(call.scope, LIFECYCLE, name, {**kept, **call.params, "LastModifiedTime": now()})
        return {}

    def _describe_lifecycle(self, call: Call) -> Document:
        return self.service.required(call.scope, LIFECYCLE, call.params[f"{LIFECYCLE}Name"])

    def _delete_lifecycle(self, call: Call) -> Document:
        name = call.params[f"{LIFECYCLE}Name"]
        document = self.service.required(call.scope, LIFECYCLE, name)
        users = [
            one["_name"]
            for one in self.service.records.all(call.scope, KIND)
            if one.get(f"{LIFECYCLE}Name") == name and one["_then"] != "Deleted"
        ]
        if users:
            raise validation(f"Unable to delete {document[f'{LIFECYCLE}Arn']}: {', '.join(users)} uses it.")
        self.service.records.remove(call.scope, LIFECYCLE, name)
        self.service.records.remove(call.scope, "Tags", document[f"{LIFECYCLE}Arn"])
        return {}

    def _list_lifecycles(self, call: Call) -> Document:
        return listing(self.service.records.all(call.scope, LIFECYCLE), f"{LIFECYCLE}s", call.params)
