"""Topics that tell of each result of an asynchronous endpoint, and of each failure."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct


class AsyncTopics(Construct):
    """Encrypted with the stage's key and TLS only; who wants to hear subscribes."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.success = sns.Topic(self, "Success", master_key=key, enforce_ssl=True)
        self.error = sns.Topic(self, "Error", master_key=key, enforce_ssl=True)
        self.arns = [self.success.topic_arn, self.error.topic_arn]
