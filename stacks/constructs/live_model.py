"""The record of which model was served when: a parameter whose history Systems Manager keeps."""

import json
from collections.abc import Sequence

from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct

from config.sections.model import Model


class LiveModel(Construct):
    """Written by CloudFormation alone and after the endpoint: whoever deploys, only what was served stands in it.

    docs/adr/0013-live-model-record.md says why it is not the registry's.
    """

    def __init__(self, scope: Construct, id: str, *, model: Model, after: Sequence[IConstruct]) -> None:
        super().__init__(scope, id)
        record = ssm.CfnParameter(
            self,
            "Record",
            type="String",
            value=json.dumps({"artifact": model.artifact, "version": model.version}),
            description="The model that is served; its history tells which were",
        )
        record.node.add_dependency(*after)
        self.name = record.ref
