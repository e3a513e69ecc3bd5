"""The one topic that all news of the stage goes to, under a key that the services which publish may use."""

from typing import cast

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.constructs.findings import acknowledge
from stacks.constructs.statements import use_key

KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey*"]


class NewsTopic(Construct):
    """A key of its own, since AWS's for SNS cannot be used by alarms, and the data's key serves data alone."""

    def __init__(self, scope: Construct, id: str, *, emails: list[str]) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            description="News of the stage: alarms, failures, idle resources",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.topic = sns.Topic(self, "Topic", master_key=self.key, enforce_ssl=True)
        for email in emails:
            subscribed = self.topic.add_subscription(subscriptions.EmailSubscription(email))
            acknowledge(subscribed, "Serverless-SNSRedrivePolicy", "SNS keeps no mail that a mailbox did not take")

    def admit_alarms(self) -> None:
        alarms = f"arn:{Aws.PARTITION}:cloudwatch:{Stack.of(self).region}:{Aws.ACCOUNT_ID}:alarm:*"
        self._admit("Alarms", "cloudwatch.amazonaws.com", {"ArnLike": {"aws:SourceArn": alarms}, **_own_account()})
        self._lend_key("Alarms", "cloudwatch.amazonaws.com", _own_account())

    def admit_budget(self) -> None:
        # Budgets belong to the account, not to a region.
        budgets = f"arn:{Aws.PARTITION}:budgets::{Aws.ACCOUNT_ID}:*"
        self._admit("Budget", "budgets.amazonaws.com", {"ArnLike": {"aws:SourceArn": budgets}, **_own_account()})
        self._lend_key("Budget", "budgets.amazonaws.com", _own_account())

    def admit_rules(self, rule_arns: list[str]) -> None:
        self._admit("Events", "events.amazonaws.com", {"ArnEquals": {"aws:SourceArn": rule_arns}})
        # EventBridge uses the key without naming account or rule, and where a key's policy asks for them its messages
        # are lost in silence. The topic's policy says which rules may publish; the key's, for which topics it is used.
        topics = f"arn:{Aws.PARTITION}:sns:{Stack.of(self).region}:{Aws.ACCOUNT_ID}:*"
        self._lend_key(
            "Events", "events.amazonaws.com", {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topics}}
        )

    def publish_statements(self) -> list[iam.PolicyStatement]:
        """What a role needs to publish."""
        return [
            iam.PolicyStatement(sid="TellNews", actions=["sns:Publish"], resources=[self.topic.topic_arn]),
            use_key(self, self.key, services=["sns"], sid="UseNewsKey"),
        ]

    def _admit(self, who: str, service: str, conditions: dict[str, object]) -> None:
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{who}MayPublish",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal(service)],
                resources=[self.topic.topic_arn],
                conditions=conditions,
            )
        )

    def _lend_key(self, who: str, service: str, conditions: dict[str, object]) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{who}MayUseKey",
                actions=KEY_ACTIONS,
                principals=[iam.ServicePrincipal(service)],
                # A key's policy speaks of that key alone.
                resources=["*"],
                conditions=conditions,
            )
        )

    @property
    def policy(self) -> sns.CfnTopicPolicy:
        found = self.topic.node.try_find_child("Policy")
        if found is None:
            raise TypeError("a topic that enforces TLS has a policy")
        return cast(sns.CfnTopicPolicy, found.node.default_child)


def _own_account() -> dict[str, object]:
    return {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
