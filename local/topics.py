"""What services publish to a topic by themselves: alarms and rules, each if the topic's policy lets it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from local import joints

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
ALARMS, EVENTS = "cloudwatch.amazonaws.com", "events.amazonaws.com"
ACTION_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")
logger = logging.getLogger("embedded-aws")


def install() -> None:
    joints.wrap("services.cloudwatch:_dispatch_alarm_actions", _alarms_that_may)
    joints.wrap("services.eventbridge:_invoke_target", _rules_that_may)


def _alarms_that_may(original: Callable[..., Foreign], alarm: Mapping[str, Foreign], *rest: Foreign) -> Foreign:
    admitted = {
        name: [action for action in alarm.get(name) or [] if _admits(action, ALARMS, alarm["AlarmArn"])]
        for name in ACTION_LISTS
    }
    return original({**alarm, **admitted}, *rest)


def _rules_that_may(
    original: Callable[..., Foreign],
    target: Mapping[str, Foreign],
    event: Foreign,
    rule: Mapping[str, Foreign],
    *rest: Foreign,
) -> Foreign:
    # A schedule of EventBridge Scheduler publishes by its role, not by the topic's policy.
    scheduled = "ScheduleExpressionTimezone" in rule or "FlexibleTimeWindow" in rule
    if scheduled or _admits(target.get("Arn", ""), EVENTS, rule.get("Arn", "")):
        return original(target, event, rule, *rest)
    return None


def _admits(target_arn: str, service: str, source_arn: str) -> bool:
    """True for whatever is no topic of this account's: that is for others to ask about."""
    policy = joints.topic_policy(target_arn)
    # The policy that a topic is made with admits alarms of its own account, and no rules.
    if policy is None or (service == ALARMS and "__default_statement_ID" in policy):
        return True
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": joints.account()}
    if joints.service_may(policy, service, "sns:Publish", target_arn, joints.current_region(), context):
        return True
    logger.warning(
        "%s may not publish to %s for %s: the topic's policy does not let it", service, target_arn, source_arn
    )
    return False
