"""Stack operations that a kill interrupted: nothing goes on with them, so their stacks say that they failed."""

from collections.abc import Mapping
from typing import Any

REASON = "The embedded AWS ended during this operation; deploy or destroy again."
# What CloudFormation would make of each; from all of these the CDK CLI can deploy or destroy again.
ENDS = {
    "CREATE_IN_PROGRESS": "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


def end(stacks: Mapping[Any, dict[str, Any]]) -> None:
    for stack in stacks.values():
        ended = ENDS.get(stack.get("StackStatus", ""))
        if ended is not None:
            stack.update(StackStatus=ended, StackStatusReason=REASON)
