"""A deployed stage as commands meet it: its settings, its account, and names from the outputs of its stacks alone."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from config import StageConfig, load_stage
from config.load import FOLDER
from config.names import Names
from ops import cdk
from ops.account import Account, account_of
from ops.errors import OperatorError
from ops.price_list import API_REGION, PriceList
from ops.prices import Prices

# A stack in one of these has no outputs that can be trusted.
HALF_DEPLOYED = {
    *("CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
    *("REVIEW_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_FAILED"),
}


PRICES_FOLDER = cdk.ROOT / ".whippet" / "prices"


@dataclass(frozen=True)
class Stage:
    name: str
    config: StageConfig
    account: Account
    folder: Path
    """Of the stage file."""
    _stacks: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    """As CloudFormation described them, each asked for once."""

    @classmethod
    def open(cls, name: str, folder: Path | None = None) -> "Stage":
        """Checked with one call: the credentials work, and belong to the account that the stage file names."""
        folder = folder or FOLDER
        config, _ = load_stage(name, folder)
        return cls(name, config, account_of(config), folder)

    @property
    def names(self) -> Names:
        return Names(self.config.stage.project, self.name)

    def client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients at run time)
        return self.account.client(service)

    @cached_property
    def prices(self) -> Prices:
        """What its region's instances cost; AWS is asked only for what the snapshot has not."""
        known = PriceList(
            lambda: self.account.client_elsewhere("pricing", API_REGION), self.account.region, PRICES_FOLDER
        )
        return Prices(self.account.region, known)

    def outputs(self, room: str) -> dict[str, str]:
        """Of the stack of this room: data, serving, api, training, workbench, operations ..."""
        found = self.find(room)
        if found is None:
            raise OperatorError(
                f"Stack {self.names.stack(room)} is not in account {self.account.number}, region "
                f"{self.account.region}: deploy it first, `cdk deploy --all -c stage={self.name}`."
            )
        return found

    def find(self, room: str) -> dict[str, str] | None:
        """None where the stage has no such stack."""
        stack = self.names.stack(room)
        found = self._described(stack)
        if found is None:
            return None
        status = found["StackStatus"]
        if status in HALF_DEPLOYED:
            todo = (
                "wait until that has ended, then repeat this"
                if status.endswith("_IN_PROGRESS")
                else f"see its events, then run `cdk deploy {stack} -c stage={self.name}` again"
            )
            raise OperatorError(f"Stack {stack} is half deployed ({status}): {todo}.")
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def resources(self, room: str, kind: str | None = None) -> list[str]:
        """Physical ids of one type, or of all, that the stack of this room holds; none where there is no such stack."""
        if self.find(room) is None:
            return []
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return [
            one["PhysicalResourceId"]
            for one in pages.paginate(StackName=self.names.stack(room)).search("StackResourceSummaries[]")
            if kind in (None, one["ResourceType"])
            and one.get("PhysicalResourceId")
            and one["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def output(self, room: str, key: str) -> str:
        found = self.outputs(room)
        if key not in found:
            raise OperatorError(
                f"Stack {self.names.stack(room)} has no output {key}: it is older than this checkout, or the stage "
                f"file leaves that part out; deploy it with `cdk deploy --all -c stage={self.name}`."
            )
        return found[key]

    def _described(self, stack: str) -> dict[str, Any] | None:
        if stack not in self._stacks:
            self._stacks[stack] = _described(self.client("cloudformation"), stack)
        return self._stacks[stack]


def _described(cloudformation: Any, stack: str) -> dict[str, Any] | None:  # noqa: ANN401
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return dict(found)
