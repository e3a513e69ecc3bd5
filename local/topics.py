"""What services publish to a topic by themselves: alarms, rules and buckets, if its policy and its key's let them."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from local import joints, joints_s3, topic_keys

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
ALARMS, EVENTS, BUCKETS = "cloudwatch.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com"
ACTION_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")
logger = logging.getLogger("embedded-aws")


def install() -> None:
    joints.wrap("services.cloudwatch:_dispatch_alarm_actions", _alarms_that_may)
    joints.wrap("services.eventbridge:_invoke_target", _rules_that_may)
    joints.wrap("services.s3:_deliver_event_to_sns", _buckets_that_may)


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


def _buckets_that_may(
    original: Callable[..., Foreign], arn: str, payload: Foreign, region: str, bucket_name: str = ""
) -> Foreign:
    """Of the topic's policy MiniStack asks by itself."""
    source = {"aws:SourceArn": f"arn:aws:s3:::{bucket_name}", "aws:SourceAccount": joints_s3.owner_account(bucket_name)}
    if _lends_its_key(arn, BUCKETS, source):
        return original(arn, payload, region, bucket_name)
    return None


def _admits(target_arn: str, service: str, source_arn: str) -> bool:
    """True for whatever is no topic of this account's: that is for others to ask about."""
    policy = joints.topic_policy(target_arn)
    if policy is None:
        return True
    source = {"aws:SourceArn": source_arn, "aws:SourceAccount": joints.account()}
    # The policy that a topic is made with admits alarms of its own account, and no rules.
    if not (service == ALARMS and "__default_statement_ID" in policy) and not joints.service_may(
        policy, service, "sns:Publish", target_arn, joints.current_region(), source
    ):
        _refused(target_arn, service, source, "the topic's policy does not let it")
        return False
    return _lends_its_key(target_arn, service, source)


def _lends_its_key(topic_arn: str, service: str, source: dict[str, str]) -> bool:
    reason = topic_keys.refusal_of_service(topic_arn, service, source)
    if reason is not None:
        _refused(topic_arn, service, source, reason)
    return reason is None


def _refused(topic_arn: str, service: str, source: Mapping[str, str], reason: str) -> None:
    logger.warning("%s may not publish to %s for %s: %s", service, topic_arn, source["aws:SourceArn"], reason)
