"""The account that a stage lives in: clients for it, and the environment for programs that need the same credentials.

The ordinary AWS environment chooses it (profile, endpoint URL), and the stage file the region, where the stage lies.
Where the environment names no endpoint, a stage of the account that only the embedded AWS has is looked for there.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from config import StageConfig
from local import control
from local.home import LocalError
from ops.errors import NotReached, OperatorError
from ops.printable import tell
from ops.weather import NO_CREDENTIALS, sentence_of

# "standard" waits longer before each try, with jitter.
PATIENCE = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=10, read_timeout=60)
HASTE = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=15)
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"


@dataclass(frozen=True)
class Account:
    region: str
    environment: Mapping[str, str]
    number: str = ""
    """Twelve digits, once the credentials have been tried."""

    @property
    def http_port(self) -> int | None:
        """Where HTTP APIs answer on loopback, without TLS; None where they do at their own addresses."""
        found = self.environment.get(control.API_VARIABLE)
        return urlsplit(found).port if found else None

    @property
    def poll_seconds(self) -> float:
        """How often it is worth asking what came of something."""
        return 0.2 if ENDPOINT_VARIABLE in self.environment else 5.0

    def client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients at run time)
        """One for each service: reading its API model takes a tenth of a second, and any thread may use it."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, config=PATIENCE, **self._options)
        return self._clients[service]

    def client_elsewhere(self, service: str, region: str) -> Any:  # noqa: ANN401 - as above
        """For a service that answers in one region for all, and whose answer nobody waits long for."""
        return self._session.client(service, region_name=region, config=HASTE, **self._options)

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401
        if self.environment is os.environ:
            return boto3.Session(region_name=self.region)
        return boto3.Session(
            region_name=self.region,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    @cached_property
    def _options(self) -> dict[str, str]:
        if self.environment is os.environ:
            return {}
        return {"endpoint_url": self.environment[ENDPOINT_VARIABLE], "verify": self.environment["AWS_CA_BUNDLE"]}

    @property
    def trusted(self) -> str | None:
        """The file of authorities that clients trust; None where that is the machine's own business."""
        return self._options.get("verify")

    def credentials(self) -> Any:  # noqa: ANN401
        """What signs requests, or a sentence."""
        found = self._session.get_credentials()
        if found is None:
            raise NotReached(NO_CREDENTIALS)
        return found


def account_of(config: StageConfig) -> Account:
    """Checked with one call: the credentials work, and belong to the account that the stage file names."""
    account = Account(config.stage.region, _environment(config.stage.account))
    try:
        _tell_of_another_region(account)
        account.credentials()
        found = account.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise sentence_of(error) from None
    if config.stage.account not in (None, found):
        raise OperatorError(
            f"These are credentials of account {found}; stage.account says {config.stage.account}. Use the other's."
        )
    return replace(account, number=found)


def _tell_of_another_region(account: Account) -> None:
    """Whoever chose one by the environment may believe to be there."""
    if account.environment is not os.environ:
        return
    # botocore's own reading knows AWS_DEFAULT_REGION and the profile's, and not what AWS's other tools go by.
    chosen = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if chosen not in (None, account.region):
        tell(
            f"The AWS environment says region {chosen}; this works in {account.region}, where the stage file's "
            "stage.region puts the stage."
        )


def _environment(number: str | None) -> Mapping[str, str]:
    if ENDPOINT_VARIABLE in os.environ:
        return os.environ
    try:
        return control.environment_of_account(number) or os.environ
    except LocalError as error:
        raise OperatorError(f"{error} Stage and embedded AWS are of account {number}.") from None
