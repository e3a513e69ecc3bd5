"""An embedded AWS for tests, and short ways to make in it what a test needs."""

import io
import json
import os
import subprocess
import tarfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local import control

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "tests" / "local" / "app"
AWS_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sample:1"
OWN_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/sample:1"
# How many seconds pass for each of ours in the one whose clock runs ahead.
RATE = 300
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def artefact(**behaviour: Any) -> bytes:
    """A model.tar.gz for tests/local/app/container.py."""
    content = json.dumps(behaviour).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("behaviour.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def statement(action: str | list[str], resource: str | list[str], effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@dataclass
class Embedded:
    """A running one, and the account's root in it."""

    running: control.Running
    # A client's API model takes a tenth of a second to read; the root's are kept.
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def environment(self) -> dict[str, str]:
        return control.environment(self.running)

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        if keys is None and service not in self._clients:
            root = {
                "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
            }
            self._clients[service] = self._client(service, root)
        return self._clients[service] if keys is None else self._client(service, keys)

    def _client(self, service: str, keys: Mapping[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.running.url,
            region_name=self.running.facts.region,
            verify=self.environment["AWS_CA_BUNDLE"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
            **keys,
        )

    def role(self, *statements: dict[str, Any], service: str = "sagemaker", trust: Any = None) -> str:
        """A new role's ARN."""
        name, iam = fresh("role"), self.client("iam")
        trusted = trust or {"Service": f"{service}.amazonaws.com"}
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}],
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
        if statements:
            self.allow(arn, *statements)
        return str(arn)

    def allow(self, role_arn: str, *statements: dict[str, Any]) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        name = role_arn.rsplit("/", 1)[-1]
        self.client("iam").put_role_policy(RoleName=name, PolicyName=fresh("policy"), PolicyDocument=policy)

    def acting(self, *statements: dict[str, Any]) -> dict[str, str]:
        """Keys of somebody who may do just this."""
        role = self.role(*statements, trust={"AWS": f"arn:aws:iam::{self.running.facts.account}:root"})
        found = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def bucket(self) -> str:
        name = fresh("bucket")
        self.client("s3").create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, key: str, body: bytes, **more: Any) -> str:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)
        return f"s3://{bucket}/{key}"

    def model(self, role: str | None = None, image: str = AWS_IMAGE, isolated: bool = False, **behaviour: Any) -> str:
        """A model whose container behaves so, under a role that may do everything unless another is given."""
        name, bucket = fresh("model"), self.bucket()
        url = self.put(bucket, "model.tar.gz", artefact(**behaviour))
        self.client("sagemaker").create_model(
            ModelName=name,
            ExecutionRoleArn=role or self.role(ALLOW_ALL),
            PrimaryContainer={"Image": image, "ModelDataUrl": url},
            EnableNetworkIsolation=isolated,
        )
        return name

    def config(self, *models: str, count: int = 1, **more: Any) -> str:
        name = fresh("config")
        variants = [
            {
                "VariantName": f"variant-{index}",
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count,
            }
            for index, model in enumerate(models)
        ]
        self.client("sagemaker").create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=more.pop("variants", variants), **more
        )
        return name

    def endpoint(self, config: str) -> str:
        name = fresh("endpoint")
        self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def settled(self, endpoint: str) -> dict[str, Any]:
        """Its description once nothing is in progress."""
        client = self.client("sagemaker")
        for _ in range(400):
            found = client.describe_endpoint(EndpointName=endpoint)
            if found["EndpointStatus"] in ("InService", "Failed"):
                return dict(found)
            time.sleep(0.05)
        raise AssertionError(f"{endpoint} did not settle: {found}")

    def serving(self, **behaviour: Any) -> str:
        """An endpoint in service, with one instance."""
        name = self.endpoint(self.config(self.model(**behaviour)))
        found = self.settled(name)
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
        return name

    def ask(self, endpoint: str, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """What the container of tests/local/app says about one request."""
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=json.dumps(body or {}), ContentType="application/json", **more
        )
        return dict(json.loads(answer["Body"].read()))

    def cdk(self, *arguments: str, app: Path, output: Path, expect: int = 0) -> str:
        """The unmodified CDK command line against this embedded AWS."""
        beside = ROOT / ".venv" / "bin"
        environment = control.subprocess_environment(self.running)
        environment |= {"PATH": f"{beside}{os.pathsep}{environment['PATH']}", "CDK_DISABLE_CLI_TELEMETRY": "true"}
        # The CDK's own look at the sample's templates would take longer than their synthesis.
        environment["CDK_VALIDATION"] = "false"
        done = subprocess.run(
            ["cdk", *arguments, "--output", str(output)],
            cwd=app,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout + done.stderr


def fresh(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:10]}"
