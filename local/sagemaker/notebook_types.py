"""Notebook instances and lifecycle configurations as CloudFormation makes, changes and deletes them."""

import time
from dataclasses import dataclass, replace

from local import joints
from local.cloudformation import Kind, Properties, Provisioned, call
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError, JsonService
from local.records import Scope
from local.sagemaker.notebook_life import KIND, LIFECYCLE

# An instance's own limits end each state sooner: two scripts of five minutes each, and its boot.
STABLE_SECONDS, LOOK_EVERY_SECONDS = 660.0, 0.05
# What another notebook is made for; the rest is changed while it is stopped.
REPLACING = (
    "NotebookInstanceName",
    "KmsKeyId",
    "SubnetId",
    "SecurityGroupIds",
    "DirectInternetAccess",
    "PlatformIdentifier",
)


@dataclass(frozen=True)
class NotebookKind(Kind):
    """CloudFormation waits for each state, and stops a notebook to change or delete it."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        """One that fails is deleted again, since the stack that is rolled back knows nothing of it yet."""
        created = super().create(logical_id, properties, stack)
        try:
            self._wait(created[1][self.name_property], "InService")
        except AwsError:
            self.delete(created[0], properties)
            raise
        return created

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        name = self.existing(physical_id)
        if {**old, "Tags": None} != {**new, "Tags": None}:
            running = self._status(name) == "InService"
            self._stopped(name)
            changed = {key: value for key, value in new.items() if key not in {"Tags", *REPLACING}}
            if "LifecycleConfigName" in old and "LifecycleConfigName" not in new:
                changed["DisassociateLifecycleConfig"] = True
            call(self.service, f"Update{KIND}", self.known(f"Update{KIND}", {**changed, self.name_property: name}))
            self._wait(name, "Stopped")
            if running:
                call(self.service, f"Start{KIND}", {self.name_property: name})
                self._wait(name, "InService")
        return super().update(physical_id, old, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        scope = Scope(joints.account(), joints.current_region())
        if not any(one[f"{KIND}Arn"] == physical_id for one in self.service.records.all(scope, KIND)):
            return
        name = self.existing(physical_id)
        self._stopped(name)
        call(self.service, f"Delete{KIND}", {self.name_property: name})
        self._wait(name, "Deleted")

    def _stopped(self, name: str) -> None:
        """Or failed, of which the same can be asked."""
        if self._status(name) == "Failed":
            return
        if self._status(name) == "InService":
            call(self.service, f"Stop{KIND}", {self.name_property: name})
        self._wait(name, "Stopped")

    def _status(self, name: str) -> str:
        try:
            found = call(self.service, f"Describe{KIND}", {self.name_property: name})
        except AwsError as error:
            if error.code == self.service.missing:
                return "Deleted"
            raise
        return str(found["NotebookInstanceStatus"])

    def _wait(self, name: str, wanted: str) -> None:
        until = time.monotonic() + STABLE_SECONDS
        while (status := self._status(name)) != wanted:
            if status == "Failed" or time.monotonic() >= until:
                raise AwsError("NotStabilized", f"Notebook instance {name} is {status}, not {wanted}.{self._why(name)}")
            time.sleep(LOOK_EVERY_SECONDS)

    def _why(self, name: str) -> str:
        found = call(self.service, f"Describe{KIND}", {self.name_property: name})
        return f" {found['FailureReason']}" if "FailureReason" in found else ""


@dataclass(frozen=True)
class LifecycleKind(Kind):
    """Changed in place."""

    def update(self, physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        name = self.existing(physical_id)
        if {**old, "Tags": None} != {**new, "Tags": None}:
            hooks = {key: value for key, value in new.items() if key != "Tags"}
            call(self.service, f"Update{LIFECYCLE}", {**hooks, self.name_property: name})
        return super().update(physical_id, old, new, stack)


def notebook_types(service: JsonService) -> dict[str, ResourceType]:
    notebook = NotebookKind(service, KIND).resource_type(slow=True)
    lifecycle = LifecycleKind(service, LIFECYCLE).resource_type()
    return {
        f"AWS::SageMaker::{KIND}": replace(notebook, replacing=REPLACING),
        f"AWS::SageMaker::{LIFECYCLE}": replace(lifecycle, replacing=(f"{LIFECYCLE}Name",)),
    }
