"""SageMaker's calls about notebook instances: made, described, listed, changed, and opened in Jupyter."""

from local.authority import CannotAssume, assume_role
from local.json_service import Call, JsonService, Operation, now
from local.listing import listing
from local.network.interfaces import CannotPlug, plug_notebook
from local.records import Document
from local.sagemaker.control_plane import named, put_tags, tags_of
from local.sagemaker.jupyter import NoJupyter
from local.sagemaker.keys import require_of_caller
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, not_available, validation
from local.sagemaker.notebook_life import KIND, LIFECYCLE, NotebookLife

UNAVAILABLE = ("AcceleratorTypes", "DefaultCodeRepository", "AdditionalCodeRepositories")
RENAMED = {"LifecycleConfigName": "NotebookInstanceLifecycleConfigName", "SecurityGroupIds": "SecurityGroups"}
DISASSOCIATE = "Disassociate"


class Notebooks:
    """The operations over the store of SageMaker's other records."""

    def __init__(self, service: JsonService, life: NotebookLife) -> None:
        self.service, self.life = service, life
        for operation, run in (
            (f"Describe{KIND}", self._describe),
            (f"Update{KIND}", self._update),
            (f"Start{KIND}", self._start),
            (f"Stop{KIND}", self._stop),
            (f"Delete{KIND}", self._delete),
            (f"CreatePresigned{KIND}Url", self._open),
        ):
            service.add(operation, Operation(run, self._one, self._tags))
        service.add(f"Create{KIND}", Operation(self._create, self._one))
        service.add(f"List{KIND}s", Operation(self._list))

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
        require_of_caller(call, params.get("KmsKeyId"))
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
            "NotebookInstanceStatus": "Pending",
            "LastModifiedTime": now(),
            "_name": name,
            # Whether its OnCreate has ended well.
            "_created": False,
        }
        if params.get("SubnetId"):
            document["NetworkInterfaceId"] = self._plugged(call, document)
        self.service.records.put(call.scope, KIND, name, document)
        put_tags(self.service, call, document["NotebookInstanceArn"])
        self.life.start(call.scope, name)
        return document

    @staticmethod
    def _plugged(call: Call, document: Document) -> str:
        groups = document.get("SecurityGroups", [])
        try:
            return plug_notebook(
                call.scope, document["SubnetId"], groups, call.authority, document["NotebookInstanceArn"]
            )
        except CannotPlug as error:
            raise validation(f"The notebook instance has no network interface in its VPC: {error}.") from error

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

    def _describe(self, call: Call) -> Document:
        return self.service.required(call.scope, KIND, _name(call))

    def _require(self, call: Call, *allowed: str) -> Document:
        found = self._describe(call)
        status = found["NotebookInstanceStatus"]
        if status not in allowed:
            (resource,) = self._one(call)
            raise validation(
                f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to transition for ({resource})."
            )
        return found

    def _start(self, call: Call) -> Document:
        self._require(call, "Stopped", "Failed")
        self.life.start(call.scope, _name(call))
        return {}

    def _stop(self, call: Call) -> Document:
        self._require(call, "InService")
        self.life.stop(call.scope, _name(call))
        return {}

    def _delete(self, call: Call) -> Document:
        self._require(call, "Stopped", "Failed")
        self.life.delete(call.scope, _name(call))
        return {}

    def _update(self, call: Call) -> Document:
        """Of what is stopped; it takes effect with the next start."""
        self._require(call, "Stopped", "Failed")
        self._check(call, call.params)
        with self.service.records.edit(call.scope, KIND, _name(call)) as document:
            if call.params.get(f"{DISASSOCIATE}LifecycleConfig"):
                document.pop(f"{LIFECYCLE}Name", None)
            changed = {key: value for key, value in call.params.items() if not key.startswith(DISASSOCIATE)}
            document.update({RENAMED.get(key, key): value for key, value in changed.items()})
        self.life.updated(call.scope, _name(call))
        return {}

    def _open(self, call: Call) -> Document:
        if "SessionExpirationDurationInSeconds" in call.params:
            raise not_available("An address that is good for so long (SessionExpirationDurationInSeconds)")
        self._require(call, "InService")
        try:
            return {"AuthorizedUrl": self.life.open(call.scope, _name(call))}
        except NoJupyter as error:
            raise validation(str(error)) from error

    def _list(self, call: Call) -> Document:
        found = self.service.records.all(call.scope, KIND)
        if status := call.params.get("StatusEquals"):
            found = [document for document in found if document["NotebookInstanceStatus"] == status]
        return listing(found, "NotebookInstances", call.params)


def _name(call: Call) -> str:
    return str(call.params["NotebookInstanceName"])
