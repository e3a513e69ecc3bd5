"""SageMaker's calls about lifecycle configurations: the scripts that a notebook instance runs at its start."""

from local.json_service import Call, JsonService, Operation, now
from local.listing import listing
from local.records import Document
from local.sagemaker.control_plane import named, put_tags
from local.sagemaker.names import arn, validation
from local.sagemaker.notebook_life import KIND, LIFECYCLE


class LifecycleConfigs:
    """The operations over the store of SageMaker's other records."""

    def __init__(self, service: JsonService) -> None:
        self.service = service
        for name, run in (
            ("Create", self._create),
            ("Update", self._update),
            ("Delete", self._delete),
            ("Describe", self._describe),
        ):
            service.add(f"{name}{LIFECYCLE}", Operation(run, lambda call: named(LIFECYCLE, call)))
        service.add(f"List{LIFECYCLE}s", Operation(self._list))

    def _create(self, call: Call) -> Document:
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

    def _update(self, call: Call) -> Document:
        """A hook that is not named is taken out."""
        name = call.params[f"{LIFECYCLE}Name"]
        document = self.service.required(call.scope, LIFECYCLE, name)
        kept = {key: value for key, value in document.items() if key not in {"OnCreate", "OnStart"}}
        self.service.records.put(call.scope, LIFECYCLE, name, {**kept, **call.params, "LastModifiedTime": now()})
        return {}

    def _describe(self, call: Call) -> Document:
        return self.service.required(call.scope, LIFECYCLE, call.params[f"{LIFECYCLE}Name"])

    def _delete(self, call: Call) -> Document:
        name = call.params[f"{LIFECYCLE}Name"]
        document = self.service.required(call.scope, LIFECYCLE, name)
        users = [
            one["_name"] for one in self.service.records.all(call.scope, KIND) if one.get(f"{LIFECYCLE}Name") == name
        ]
        if users:
            raise validation(f"Unable to delete {document[f'{LIFECYCLE}Arn']}: {', '.join(users)} uses it.")
        self.service.records.remove(call.scope, LIFECYCLE, name)
        self.service.records.remove(call.scope, "Tags", document[f"{LIFECYCLE}Arn"])
        return {}

    def _list(self, call: Call) -> Document:
        return listing(self.service.records.all(call.scope, LIFECYCLE), f"{LIFECYCLE}s", call.params)
