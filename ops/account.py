"""The account that a stage lives in: clients for it, and the environment for programs that need the same credentials.

A stage of the account that only the embedded AWS has is looked for there; any other by the user's own credentials.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from config import StageConfig
from local import control
from local.home import LocalError, Project
from ops import cdk
from ops.errors import OperatorError


@dataclass(frozen=True)
class Account:
    region: str
    environment: Mapping[str, str]
    http_port: int | None = None
    """Where the embedded AWS serves its HTTP APIs without TLS; None on AWS."""
    number: str = ""
    """Twelve digits, once the credentials have been tried."""

    @property
    def poll_seconds(self) -> float:
        """How often it is worth asking what came of something."""
        return 5.0 if self.http_port is None else 0.2

    def client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients at run time)
        return self._session.client(service, **self._options)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401
        if self.http_port is None:
            return boto3.Session(region_name=self.region)
        return boto3.Session(
            region_name=self.region,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    @cached_property
    def _options(self) -> dict[str, str]:
        if self.http_port is None:
            return {}
        return {"endpoint_url": self.environment["AWS_ENDPOINT_URL"], "verify": self.environment["AWS_CA_BUNDLE"]}

    def credentials(self) -> Any:  # noqa: ANN401
        """What signs requests, or a sentence."""
        found = self._session.get_credentials()
        if found is None:
            raise OperatorError("There are no AWS credentials here: set AWS_PROFILE, or run `aws sso login`.")
        return found


def account_of(config: StageConfig) -> Account:
    """Checked with one call: the credentials work, and belong to the account that the stage file names."""
    account = _embedded(config) if config.stage.account == control.DEFAULT_ACCOUNT else _real(config)
    account.credentials()
    try:
        found = account.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"AWS does not take these credentials: {error}") from None
    if config.stage.account not in (None, found):
        raise OperatorError(
            f"These are credentials of account {found}; stage.account says {config.stage.account}. Use the other's."
        )
    return replace(account, number=found)


def _embedded(config: StageConfig) -> Account:
    try:
        running = control.running(Project.find(cdk.ROOT).home)
    except LocalError as error:
        raise OperatorError(str(error)) from None
    if running is None:
        raise OperatorError("The embedded AWS, where this stage lives, does not run: `python -m local start`.")
    return Account(config.stage.region, control.subprocess_environment(running), running.facts.http_port)


def _real(config: StageConfig) -> Account:
    return Account(config.stage.region, dict(os.environ))
