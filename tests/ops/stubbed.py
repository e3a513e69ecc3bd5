"""A deployed stage whose AWS is scripted: botocore's Stubber holds each call and answer against AWS's own model."""

from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from config.load import parse_stage
from ops.account import Account
from ops.stage import Stage
from tests.config.stage_file import changed

ACCOUNT, REGION = "111122223333", "us-east-1"


class Script:
    """What AWS says, service by service, in order. `with script: ...` checks that all of it was asked for."""

    def __init__(self) -> None:
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        return self._stub(service).client

    def _stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            client = boto3.client(service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
            self._stubs[service] = Stubber(client)
            self._stubs[service].activate()
        return self._stubs[service]

    def says(self, service: str, operation: str, answer: dict[str, Any], asked: dict[str, Any] | None = None) -> None:
        self._stub(service).add_response(operation, answer, asked)

    def refuses(self, service: str, operation: str, code: str, message: str = "words") -> None:
        self._stub(service).add_client_error(operation, code, message)

    def done(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


def scripted(monkeypatch, outputs: dict[str, dict[str, str]] | None = None, **settings: Any) -> tuple[Stage, Script]:
    """Stage dev with these settings, these outputs of its stacks, and a script for everything else."""
    script = Script()
    monkeypatch.setattr(Account, "client", lambda _self, service: script.client(service))
    monkeypatch.setattr(Account, "client_elsewhere", lambda _self, service, _region: script.client(service))
    # Nothing was read before, and nothing is kept.
    monkeypatch.setattr("ops.stage.PRICES_FOLDER", Path("/dev/null/prices"))
    config, _ = parse_stage(changed(**settings), "config/dev.toml")
    stage = Stage("dev", config, Account(REGION, {}, ACCOUNT), Path("config"))
    monkeypatch.setattr(Stage, "find", lambda _self, room: (outputs or {}).get(room))
    return stage, script
