"""Stage local, deployed into an embedded AWS of its own, and what the tests need to know about it."""

import base64
import contextlib
import http.client
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from local import control
from ops import cdk
from tests.stacks import variants

SERVING, API, DATA = "whippet-local-serving", "whippet-local-api", "whippet-local-data"
IMAGE, NETWORK = "whippet-local-image", "whippet-local-network"
OPERATIONS = "whippet-local-operations"
WORKBENCH = "whippet-local-workbench"
TRAINING = "whippet-local-training"
# Every stack of stage local; the image's is deployed beside them.
ROOMS = (DATA, NETWORK, TRAINING, SERVING, API, OPERATIONS, WORKBENCH)


@dataclass
class Session:
    """Clients that act with one set of credentials."""

    environment: dict[str, str]
    credentials: dict[str, str]
    # A client's API model takes a tenth of a second to read.
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                region_name=self.environment["AWS_REGION"],
                verify=self.environment["AWS_CA_BUNDLE"],
                **self.credentials,
            )
        return self._clients[service]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Deployed:
    running: control.Running
    logs: Path
    rooms: tuple[str, ...] = (*ROOMS, IMAGE)
    """The stacks that its roles are looked for in."""
    api: str = API
    _sessions: dict[str, Session] = field(default_factory=dict)

    @cached_property
    def environment(self) -> dict[str, str]:
        return control.subprocess_environment(self.running)

    @cached_property
    def root(self) -> Session:
        keys = {
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        return Session(self.environment, keys)

    def run_cdk(self, *arguments: str, assembly: Path | None = None, project: Path | None = None) -> str:
        """Run the unmodified command line and return all it said; CdkError where it failed.

        It reads what the first deploy synthesized, or another assembly; a project is synthesized into `output_of(project)`.
        """
        log = self.logs / f"{uuid.uuid4().hex}.log"
        if project is not None:
            read = ["-c", "stage=local", "--output", str(self.output_of(project))]
        else:
            read = ["--app", str(assembly or self.output_of(cdk.ROOT))]
        cdk.run([*arguments, *read], environment=self.environment, log=log, project=project or cdk.ROOT)
        return log.read_text()

    def output_of(self, project: Path) -> Path:
        """Where the last command on a project left what it synthesized."""
        return self.logs / f"{project.name}.out"

    def bootstrap(self) -> None:
        """As docs/first-deploy.md says: CloudFormation gets the policies made for this app, not AdministratorAccess."""
        iam = self.root.client("iam")
        made = [
            iam.create_policy(PolicyName=path.stem, PolicyDocument=path.read_text())["Policy"]["Arn"]
            for path in sorted((cdk.ROOT / "docs" / "bootstrap").glob("*.json"))
        ]
        target = f"aws://{self.running.facts.account}/{self.running.facts.region}"
        policies = ["--cloudformation-execution-policies", ",".join(made)]
        # Outside the app's folder nothing is synthesized for it.
        cdk.run(
            ["bootstrap", target, *policies],
            environment=self.environment,
            log=self.logs / "bootstrap.log",
            project=self.logs,
        )

    def deploy(self, assembly: Path | None = None, *, project: Path | None = None, stack: str | None = None) -> str:
        """All stacks, or the one that a test is about."""
        which = [stack, "--exclusively"] if stack else ["--all"]
        return self.run_cdk("deploy", *which, "--require-approval", "never", assembly=assembly, project=project)

    def changed(self, **changes: Any) -> Path:
        """What the app makes of a stage file that says something else: changed(api__top_k=2); None drops a key."""
        folder = self.logs / f"{uuid.uuid4().hex}.out"
        variants.build(changes, str(folder), stage="local").synth()
        return folder

    def changed_project(self, **lines: str) -> Path:
        """A copy of the app whose stage file was edited: changed_project(top_k="2")."""
        project = self.logs / uuid.uuid4().hex
        for room in ("config", "stacks", "lambda_src", "serving", "training", "workbench", "notebooks", "local"):
            shutil.copytree(cdk.ROOT / room, project / room)
        for name in ("app.py", "cdk.json", "requirements-notebook.txt"):
            shutil.copy(cdk.ROOT / name, project)
        stage_file = project / "config" / "local.toml"
        text = stage_file.read_text()
        for key, value in lines.items():
            text, count = re.subn(rf"^{key} = \S+", f"{key} = {value}", text, flags=re.MULTILINE)
            assert count == 1, key
        stage_file.write_text(text)
        return project

    def call(self, method: str, path: str, body: bytes = b"", content_type: str = "image/jpeg", **more: str) -> Answer:
        """A request to the deployed API, by the address that a browser would use."""
        api_id = urlsplit(self.outputs(self.api)["Url"]).hostname.split(".")[0]
        connection = http.client.HTTPConnection("127.0.0.1", self.running.facts.http_port, timeout=30)
        headers = {"Host": f"{api_id}.execute-api.localhost", "Content-Type": content_type, **more}
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    def stacks(self) -> set[str]:
        """Those that stage local has: the image's was deployed beside them."""
        pages = self.root.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {name for name in pages.search("Stacks[].StackName") if name.startswith("whippet-local-")} - {IMAGE}

    def stack_status(self, stack: str) -> str:
        return self.root.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]

    def resources(self, stack: str) -> dict[str, str]:
        """Logical id without its hash -> physical id."""
        return {name: physical for name, (_, physical) in self.resources_and_types(stack).items()}

    def resources_and_types(self, stack: str) -> dict[str, tuple[str, str]]:
        """Logical id without its hash -> type and physical id."""
        pages = self.root.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        return {
            re.sub(r"[0-9A-F]{8}$", "", one["LogicalResourceId"]): (one["ResourceType"], one["PhysicalResourceId"])
            for one in pages.search("StackResourceSummaries[]")
        }

    def outputs(self, stack: str) -> dict[str, str]:
        (found,) = self.root.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:us-east-1:{self.running.facts.account}:{resource}"

    def forget(self) -> None:
        """Names of a deployment that is gone; the next has others."""
        for name, value in vars(type(self)).items():
            if isinstance(value, cached_property) and name not in ("environment", "root", "sample"):
                self.__dict__.pop(name, None)

    def fresh_name(self) -> str:
        return f"matrix-{uuid.uuid4().hex[:12]}"

    @cached_property
    def bucket(self) -> str:
        return self.outputs(DATA)["BucketName"]

    @cached_property
    def key(self) -> str:
        return self.arn("kms", f"key/{self.resources(DATA)['Key']}")

    @cached_property
    def endpoint(self) -> str:
        return self.outputs(SERVING)["EndpointName"]

    @cached_property
    def endpoint_log(self) -> str:
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    @cached_property
    def pipeline(self) -> str:
        return self.outputs(TRAINING)["PipelineName"]

    @cached_property
    def failures(self) -> str:
        """The queue of what intake refused."""
        return self.outputs(TRAINING)["FailedIntakeUrl"]

    @cached_property
    def intake_log(self) -> str:
        return self.resources(TRAINING)["IntakeFunctionPartsLog"]

    @cached_property
    def code(self) -> tuple[str, str]:
        """Bucket and key of what the pipeline's steps run."""
        bucket, _, key = self.outputs(TRAINING)["CodeUri"].removeprefix("s3://").partition("/")
        return bucket, key

    @cached_property
    def function(self) -> str:
        return self.outputs(API)["PredictFunctionName"]

    @cached_property
    def function_log(self) -> str:
        return self.resources(API)["PredictFunctionPartsLog"]

    @cached_property
    def idle_log(self) -> str:
        return self.resources(OPERATIONS)["IdleFunctionPartsLog"]

    @cached_property
    def news_topic(self) -> str:
        return self.outputs(OPERATIONS)["NewsTopicArn"]

    @cached_property
    def other_topic(self) -> str:
        return str(self.root.client("sns").create_topic(Name="matrix-other")["TopicArn"])

    @cached_property
    def own_box(self) -> str:
        return self.box(project="whippet", stage="local")

    @cached_property
    def doomed_box(self) -> str:
        return self.box(project="whippet", stage="local")

    @cached_property
    def foreign_box(self) -> str:
        return self.box(project="whippet", stage="other")

    def box(self, **tags: str) -> str:
        """A running instance with these tags."""
        named = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self.root.client("ec2").run_instances(
            ImageId="ami-00000000000000000",
            InstanceType="t3.large",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": named}],
        )
        return str(made["Instances"][0]["InstanceId"])

    def bootstrap_role(self, kind: str) -> str:
        account = self.running.facts.account
        return f"arn:aws:iam::{account}:role/cdk-hnb659fds-{kind}-role-{account}-us-east-1"

    @cached_property
    def flow_log(self) -> str:
        return self.resources(NETWORK)["FlowLogEntries"]

    @cached_property
    def training_box(self) -> str:
        return self.outputs(WORKBENCH)["BoxId"]

    @cached_property
    def code_address(self) -> str:
        return self.resources(WORKBENCH)["BoxCodeAddress"]

    @cached_property
    def training_code(self) -> tuple[str, str]:
        """Bucket and key of the code that the box fetches."""
        found = self.root.client("ssm").get_parameter(Name=self.code_address)["Parameter"]["Value"]
        bucket, _, key = found.removeprefix("s3://").partition("/")
        return bucket, key

    @cached_property
    def notebook(self) -> str:
        return self.outputs(WORKBENCH)["NotebookName"]

    @cached_property
    def notebooks(self) -> tuple[str, str]:
        """Bucket and key of the archive that its lifecycle script unpacks."""
        client = self.root.client("sagemaker")
        found = client.describe_notebook_instance(NotebookInstanceName=self.notebook)
        config = client.describe_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=found["NotebookInstanceLifecycleConfigName"]
        )
        script = base64.b64decode(config["OnStart"][0]["Content"]).decode()
        bucket, _, key = re.search(r"notebooks='s3://([^']+)'", script)[1].partition("/")
        return bucket, key

    def restarted_notebook(self) -> str:
        """In service again, whatever a test before did to it."""
        client, name = self.root.client("sagemaker"), self.notebook
        if client.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"] != "InService":
            client.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1})
            client.start_notebook_instance(NotebookInstanceName=name)
            waiter = client.get_waiter("notebook_instance_in_service")
            waiter.wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1})
        return name

    @cached_property
    def other_notebook(self) -> str:
        client, name = self.root.client("sagemaker"), "matrix-other"
        role = self.role_arn("NotebookRole")
        client.create_notebook_instance(NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role)
        client.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1})
        return name

    @cached_property
    def _container(self) -> dict[str, str]:
        sagemaker = self.root.client("sagemaker")
        config = sagemaker.describe_endpoint(EndpointName=self.endpoint)["EndpointConfigName"]
        (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        return sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]

    @cached_property
    def image(self) -> str:
        return self._container["Image"]

    @cached_property
    def model(self) -> tuple[str, str]:
        """Bucket and key of the served model.tar.gz."""
        bucket, _, key = self._container["ModelDataUrl"].removeprefix("s3://").partition("/")
        return bucket, key

    @cached_property
    def sample(self) -> Path:
        return next((cdk.ROOT / "training" / "starter" / "samples").glob("*.jpg"))

    def _endpoint_beside(self, name: str) -> str:
        sagemaker = self.root.client("sagemaker")
        config = sagemaker.describe_endpoint(EndpointName=self.endpoint)["EndpointConfigName"]
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
        return name

    @cached_property
    def other_endpoint(self) -> str:
        return self._endpoint_beside("matrix-other")

    @cached_property
    def doomed_endpoint(self) -> str:
        return self._endpoint_beside("matrix-doomed")

    @cached_property
    def forgotten_endpoint(self) -> str:
        return self._endpoint_beside("matrix-forgotten")

    @cached_property
    def repository(self) -> str:
        return self.image.split("/")[1].split(":")[0]

    def deploy_image_stack(self) -> None:
        """The stack that a given image does without. Nothing builds here, but its roles are what they are on AWS."""
        self.deploy(self.changed(image__source="codebuild", image__uri=None), stack=IMAGE)

    @cached_property
    def built_repository(self) -> str:
        return self.resources(IMAGE)["BuilderRepository"]

    @cached_property
    def project(self) -> str:
        return self.resources(IMAGE)["BuilderProject"]

    @cached_property
    def build_log(self) -> str:
        return self.resources(IMAGE)["BuilderBuildLog"]

    @cached_property
    def sources(self) -> tuple[str, str]:
        """Bucket and key of the archive that the image is built from."""
        (project,) = self.root.client("codebuild").batch_get_projects(names=[self.project])["projects"]
        bucket, _, key = project["source"]["location"].partition("/")
        return bucket, key

    @cached_property
    def other_project(self) -> str:
        self.root.client("codebuild").create_project(
            name="matrix-other",
            source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole=self.role_arn("BuilderBuildRole"),
        )
        return "matrix-other"

    @cached_property
    def other_model_group(self) -> str:
        self.root.client("sagemaker").create_model_package_group(ModelPackageGroupName="matrix-other")
        return "matrix-other"

    @cached_property
    def other_repository(self) -> str:
        self.root.client("ecr").create_repository(repositoryName="matrix-other")
        return "matrix-other"

    @cached_property
    def _role_names(self) -> dict[str, str]:
        names = {}
        for stack in self.rooms:
            found = self.resources_and_types(stack).items()
            names |= {logical: name for logical, (kind, name) in found if kind == "AWS::IAM::Role"}
        return names

    def roles(self) -> set[str]:
        return set(self._role_names)

    def role_arn(self, role: str) -> str:
        return self.root.client("iam").get_role(RoleName=self._role_names[role])["Role"]["Arn"]

    def session_as(self, role: str) -> Session:
        """The role's own credentials. Its trust admits the tests for the moment of taking them."""
        if role not in self._sessions:
            iam, name = self.root.client("iam"), self._role_names[role]
            found = iam.get_role(RoleName=name)["Role"]
            account_root = f"arn:aws:iam::{self.running.facts.account}:root"
            admit = {"Effect": "Allow", "Principal": {"AWS": account_root}, "Action": "sts:AssumeRole"}
            iam.update_assume_role_policy(
                RoleName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [admit]})
            )
            try:
                taken = self.root.client("sts").assume_role(RoleArn=found["Arn"], RoleSessionName="matrix")
            finally:
                trust = json.dumps(found["AssumeRolePolicyDocument"])
                iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
            keys = taken["Credentials"]
            self._sessions[role] = Session(
                self.environment,
                {
                    "aws_access_key_id": keys["AccessKeyId"],
                    "aws_secret_access_key": keys["SecretAccessKey"],
                    "aws_session_token": keys["SessionToken"],
                },
            )
        return self._sessions[role]

    @contextlib.contextmanager
    def granted(self, role: str, statements: list[dict[str, Any]]) -> Iterator[None]:
        """The role with these statements added, as an inline policy of its own."""
        iam, name = self.root.client("iam"), self._role_names[role]
        if not statements:
            yield
            return
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="Matrix", PolicyDocument=document)
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=name, PolicyName="Matrix")
