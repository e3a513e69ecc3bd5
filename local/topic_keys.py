"""A topic's KMS key: whoever publishes must be let to use it, a service by the key's own policy.

Messages lie in this process unencrypted: only the use of the key is asked for.
"""

from collections.abc import Callable
from typing import Any

from local import joints, joints_sns

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
PUBLISHING = ("sns:Publish", "sns:PublishBatch")
NEEDED = ("kms:GenerateDataKey", "kms:Decrypt")
# Everybody in the account may use it through SNS, and no service by itself.
AWS_OWN = "alias/aws/sns"
# Uses keys without naming an account or a rule.
NAMELESS = ("events.amazonaws.com",)
CODES = {"KMS.DisabledException": "KMSDisabled", "KMS.KMSInvalidStateException": "KMSInvalidState"}


def refusal(action: str, topic_arn: str, ask: Callable[[str, str, dict[str, str]], Foreign]) -> Foreign:
    """What a caller is told, of whom `ask(action, key ARN, condition keys)` knows more; None where it may publish."""
    key = joints_sns.topic_key(topic_arn) if action in PUBLISHING else None
    if not key or _is_aws_own(key):
        return None
    arn = _arn(topic_arn, key)
    if arn is None:
        return joints.auth_error("KMSNotFound", f"Key '{key}' does not exist")
    context = {
        "kms:ViaService": f"sns.{topic_arn.split(':')[3]}.amazonaws.com",
        "kms:CallerAccount": joints.account(),
        **_encryption_context(topic_arn),
    }
    for needed in NEEDED:
        if (found := ask(needed, arn, context)) is not None:
            said = joints.denial_message(needed, found.principal_arn, arn, found.decision == "Deny")
            return joints.auth_error("KMSAccessDenied", said)
    unusable = joints.unusable_key(arn)
    return joints.auth_error(CODES[unusable.code], unusable.message) if unusable is not None else None


def refusal_of_service(topic_arn: str, service: str, source: dict[str, str]) -> str | None:
    """Why a service may not use the topic's key for what publishes; None where it may, or there is no key."""
    key = joints_sns.topic_key(topic_arn)
    if not key:
        return None
    if _is_aws_own(key):
        return f"AWS's own key {AWS_OWN} lets no service use it; give the topic a key of your own"
    arn = _arn(topic_arn, key)
    if arn is None:
        return f"its key '{key}' does not exist"
    policy, region = joints.kms_key_policy(arn), arn.split(":")[3]
    context = {**({} if service in NAMELESS else source), **_encryption_context(topic_arn)}
    for needed in NEEDED:
        if not joints.service_may(policy, service, needed, arn, region, context):
            return f"the policy of the topic's key {arn} does not let it {needed}"
    unusable = joints.unusable_key(arn)
    return f"the topic's key {str(unusable.message).rstrip('.')}" if unusable is not None else None


def _is_aws_own(key: str) -> bool:
    return key == AWS_OWN or key.endswith(f":{AWS_OWN}")


def _arn(topic_arn: str, key: str) -> str | None:
    _, _, _, region, account, _ = topic_arn.split(":", 5)
    return joints.kms_key_arn(account, region, key)


def _encryption_context(topic_arn: str) -> dict[str, str]:
    return {"kms:EncryptionContext:aws:sns:topicArn": topic_arn}
