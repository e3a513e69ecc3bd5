"""Functions that rules call: only where the function's policy lets the rule, tried again when they fail, and what fails
for good left in the function's queue, if its role may put it there.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from local import joints
from local.authority import CannotAssume, KeyAuthority, assume_role
from local.json_service import AwsError
from local.records import Scope

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
EVENTS, LAMBDA = "events.amazonaws.com", "lambda.amazonaws.com"
SEND = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}
logger = logging.getLogger("embedded-aws")


def install() -> None:
    joints.wrap("services.eventbridge:_invoke_target", _functions_that_admit)
    joints.wrap("services.eventbridge:_dispatch_to_lambda", _as_lambda_does)
    joints.wrap("services.lambda_svc:_route_async_failure", _if_its_role_may)


def _functions_that_admit(
    original: Callable[..., Foreign],
    target: Mapping[str, Foreign],
    event: Foreign,
    rule: Mapping[str, Foreign],
    *rest: Foreign,
) -> Foreign:
    function, rule_arn = str(target.get("Arn", "")), rule.get("Arn", "")
    if ":lambda:" not in function or _is_schedule(rule) or _admits(function, rule_arn):
        return original(target, event, rule, *rest)
    logger.warning("%s may not be called for %s: the function's policy does not let it", function, rule_arn)
    return None


def _is_schedule(rule: Mapping[str, Foreign]) -> bool:
    """EventBridge Scheduler's, which calls by a role of its own."""
    return "ScheduleExpressionTimezone" in rule or "FlexibleTimeWindow" in rule


def _admits(function: str, rule_arn: str) -> bool:
    policy = joints.function_policy(function.rsplit(":function:", maxsplit=1)[-1].split(":", maxsplit=1)[0])
    context = {"aws:SourceArn": rule_arn, "aws:SourceAccount": joints.account()}
    return policy is None or joints.service_may(
        policy, EVENTS, "lambda:InvokeFunction", function, joints.current_region(), context
    )


def _as_lambda_does(original: Callable[..., Foreign], arn: str, payload: str) -> None:
    """MiniStack calls the function once and forgets what became of it."""
    if not joints.invoke_later(arn, payload):
        original(arn, payload)  # says that there is none


def _if_its_role_may(
    original: Callable[..., Foreign], target: str, function: str, event: Foreign, result: Foreign
) -> None:
    service = target.split(":")[2] if target.count(":") > 1 else ""
    role = joints.function_role(function)
    if role is not None and service in SEND:
        try:
            scope = Scope(joints.account(), joints.current_region())
            credentials = assume_role(scope, role, LAMBDA, function, joints.function_arn(function))
            KeyAuthority(credentials.access_key, scope.region).require(SEND[service], target)
        except (AwsError, CannotAssume) as error:
            logger.warning("what %s failed on is lost: %s", function, error)
            return
    original(target, function, event, result)
