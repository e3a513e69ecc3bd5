"""Where this package reaches into MiniStack's SNS; `local.joints` checks the places."""

from collections.abc import Callable
from typing import Any

from local.joints import _module, wrap

SIGNATURES: dict[str, tuple[str, ...]] = {
    "services.sns:_fanout": (
        "topic_arn",
        "msg_id",
        "message",
        "subject",
        "message_structure",
        "message_attributes",
        "message_group_id",
        "message_dedup_id",
    ),
    "services.sns:_subscribe": ("params",),
    "services.sns:_list_subscriptions": ("params",),
    "services.sns:_list_subscriptions_by_topic": ("params",),
    "services.sns:_topic_by_arn_any_scope": ("topic_arn",),
    "services.sns:_resolve_message_for_protocol": ("message", "message_structure", "protocol"),
    "services.sns:_matches_filter_policy": ("sub", "message_attributes", "message"),
}
ATTRIBUTES: tuple[str, ...] = ("services.sns:_topics",)

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
Subscription = dict[str, Any]


def topics() -> list[dict[str, Any]]:
    """Of every account, to read and to change."""
    return list(_module("services.sns")._topics._data.values())


def topic_key(topic_arn: str) -> str | None:
    """The KMS key of a topic in whichever account and region, as it was named; None where it has none."""
    topic = _module("services.sns")._topic_by_arn_any_scope(topic_arn)
    return topic["attributes"].get("KmsMasterKeyId") or None if topic else None


def wrap_fanout(told: Callable[[str, list[tuple[Subscription, str]], str], None]) -> None:
    """Tell of every message: the topic, the subscriptions that it is for and what each is to have, and its subject."""
    sns = _module("services.sns")

    def fanout(  # noqa: PLR0917 - MiniStack's own
        original: Callable[..., Foreign],
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        *rest: Foreign,
        **more: Foreign,
    ) -> Foreign:
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        found = [
            (one, sns._resolve_message_for_protocol(message, message_structure, one["protocol"]))
            for one in topic["subscriptions"]
        ]
        told(
            topic_arn,
            [one for one in found if sns._matches_filter_policy(one[0], message_attributes or {}, one[1])],
            subject,
        )
        return original(topic_arn, msg_id, message, subject, message_structure, message_attributes, *rest, **more)

    wrap("services.sns:_fanout", fanout)


def wrap_call(name: str, wrapper: Callable[[Callable[[Foreign], Foreign], Foreign], Foreign]) -> None:
    """Put `wrapper(original, params)` in the place of a call about subscriptions."""
    wrap(f"services.sns:{name}", wrapper)


def without_arns(answer: Foreign, instead: str) -> Foreign:
    """As AWS has it, which names no ARN before a subscription is confirmed."""
    status, headers, body = answer
    text = body.decode() if isinstance(body, bytes) else str(body)
    for topic in topics():
        for one in topic["subscriptions"]:
            if not one["confirmed"]:
                text = text.replace(f">{one['arn']}<", f">{instead}<")
    return status, headers, text.encode()
