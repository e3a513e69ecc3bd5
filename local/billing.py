"""AWS::Budgets::Budget: kept and described by MiniStack's Budgets; nothing is billed here, so none is ever reached."""

import json
from typing import Any

from local import joints, joints_cloudformation
from local.cloudformation import Properties, Provisioned, authority
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError
from local.shapes import ShapeError, coerced, validate

SERVICE = "budgets"
KNOWN = ("Budget", "NotificationsWithSubscribers", "ResourceTags")
NAME_LENGTH = 100


def resource_type() -> ResourceType:
    # Every change is another budget; AWS changes some in place, which comes to the same where nothing is counted.
    return ResourceType(create=_create, update=_update, delete=_delete, replacing=KNOWN)


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    unknown = sorted(set(properties) - set(KNOWN))
    if unknown:
        raise AwsError("ValidationException", f"AWS::Budgets::Budget has no property {', '.join(unknown)}.")
    budget = {"BudgetName": joints_cloudformation.physical_name(stack, logical_id, NAME_LENGTH), **properties["Budget"]}
    limit = budget.get("BudgetLimit")
    if limit:
        # A template writes the amount as a number, the call takes it as a text.
        budget["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
    params = {**properties, "AccountId": joints.account(), "Budget": budget}
    _call("CreateBudget", params)
    return budget["BudgetName"], {}


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    return physical_id, {}


def _delete(physical_id: str, properties: Properties) -> None:
    _call("DeleteBudget", {"AccountId": joints.account(), "BudgetName": physical_id})


def _call(operation: str, params: dict[str, Any]) -> None:
    params = coerced(SERVICE, operation, params)
    # What changes a budget is asked for under this one action.
    authority().require("budgets:ModifyBudget", f"arn:aws:budgets::{joints.account()}:budget/*")
    try:
        validate(SERVICE, operation, params)
    except ShapeError as error:
        raise AwsError("ValidationException", f"{operation}: {error}.") from error
    status, body = joints.budgets(operation, params)
    if status >= 400:  # noqa: PLR2004 - HTTP
        said = json.loads(body)
        raise AwsError(said.get("__type", "InternalErrorException"), said.get("message") or said.get("Message", ""))
