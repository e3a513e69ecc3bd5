"""Take a stage away: empty, wait, sweep what CloudFormation cannot delete, and say what stays and why.

Names come from the deployed stacks alone. Interrupted, it is run again and goes on: what is gone is skipped.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.exceptions import ClientError, WaiterError
from rich.console import Console

from config import load_stage
from config.names import Names
from ops import cdk
from ops.account import Account, account_of
from ops.console import Remark, Steps, fail
from ops.deployment import DeployedStack, stacks_of
from ops.emptying import bucket_exists, close_log, delete_log_group, delete_packages, empty_bucket, stop_deliveries
from ops.errors import OperatorError
from ops.jobs import stop_jobs

INTERRUPTED_SENTENCE = "Interrupted. The same command goes on where this stopped."
BUCKET, KEY, GROUP = "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SageMaker::ModelPackageGroup"
ENDPOINT, VPC, ROLE = "AWS::SageMaker::Endpoint", "AWS::EC2::VPC", "AWS::IAM::Role"
REPOSITORY = "AWS::ECR::Repository"
# Interfaces that belong to the network's own resources go with it; all others were made by a service for its users.
OWN_INTERFACES = {"vpc_endpoint", "gateway_load_balancer_endpoint", "nat_gateway"}
STACK_SECONDS, INTERFACE_SECONDS = 3600, 3600  # an endpoint takes minutes; Lambda's interfaces 20 to 40
KEY_DAYS = 30
NOTES = cdk.ROOT / ".whippet"
WHY = {
    BUCKET: ("stage.retain_data = true keeps data; `--also-data` takes it", "0.023 a GB-month"),
    KEY: ("what is encrypted with it can be read no more without it", "1 a month"),
    REPOSITORY: ("stage.retain_data = true keeps images; delete it where you need none", "0.10 a GB-month"),
}


@dataclass(frozen=True)
class Left:
    """Something that stays, why, and what it costs."""

    what: str
    why: str
    costs: str


@dataclass(frozen=True)
class Destroyed:
    """What was done, as `--json` prints it."""

    stacks: list[str]
    objects: int
    model_packages: int
    jobs: list[str]
    log_groups: list[str]
    left: list[Left]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", required=True, help="the stage to take away")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--also-data", action="store_true", help="the data too, where stage.retain_data keeps it")
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")


def run(arguments: argparse.Namespace) -> int:
    config, _ = load_stage(arguments.stage)
    account = account_of(config)
    prefix = Names(config.stage.project, arguments.stage).stack("")
    notes = Notes(NOTES / f"destroy-{arguments.stage}.json")
    stacks = stacks_of(account.client("cloudformation"), prefix)
    if not stacks and not notes.log_groups:
        sys.stderr.write(f"There is nothing of stage {arguments.stage} in this account.\n")
        return 0
    protected = [stack.name for stack in stacks if stack.protected]
    if protected:
        raise OperatorError(
            f"{', '.join(protected)} is protected: set stage.protect = false in config/{arguments.stage}.toml, deploy "
            "it, then destroy."
        )
    if not arguments.yes and not confirmed(arguments.stage, stacks, also_data=arguments.also_data):
        return fail("Nothing was touched.")
    try:
        done = Teardown(account, Steps(), notes, also_data=arguments.also_data).destroy(stacks)
    except (ClientError, WaiterError) as error:
        raise OperatorError(
            f"{error} Put it right, then run the same command: it goes on where this stopped."
        ) from None
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(done), indent=2) + "\n")
    else:
        show(done)
    return 0


def confirmed(stage: str, stacks: list[DeployedStack], *, also_data: bool) -> bool:
    """The stage's name, typed by a person who has read what goes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for stack in stacks:
        console.print(f"  {stack.name:<28} {len(stack.resources)} resources")
        for bucket in stack.of_kind(BUCKET):
            kept = bucket.retained and not also_data
            console.print(f"    s3://{bucket.physical_id} {'stays' if kept else 'goes, with every version in it'}")
    if not sys.stdin.isatty():
        raise OperatorError("Nobody can be asked here: say `--yes` if all of this is to go.")
    console.print(f"Type {stage} to take all of this away: ", end="")
    return sys.stdin.readline().strip() == stage


class Notes:
    """What must be known after the stack that told it is gone; on disk, so that an interruption loses nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.log_groups: list[str] = json.loads(path.read_text()) if path.exists() else []

    def remember(self, log_group: str) -> None:
        if log_group not in self.log_groups:
            self.log_groups.append(log_group)
            self._save()

    def forget(self, log_group: str) -> None:
        self.log_groups.remove(log_group)
        self._save()

    def _save(self) -> None:
        if self.log_groups:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self.log_groups))
        else:
            self._path.unlink(missing_ok=True)


class Teardown:
    """One stage's end: consumers first, each stack emptied of what would keep it, then deleted."""

    def __init__(self, account: Account, steps: Steps, notes: Notes, *, also_data: bool) -> None:
        self._cloudformation = account.client("cloudformation")
        self._s3, self._sagemaker = account.client("s3"), account.client("sagemaker")
        self._logs, self._ec2, self._kms = account.client("logs"), account.client("ec2"), account.client("kms")
        self._steps, self._poll_seconds = steps, account.poll_seconds
        self._notes = notes
        self._also_data = also_data
        self._objects = self._packages = 0

    def destroy(self, stacks: list[DeployedStack]) -> Destroyed:
        roles = {role.physical_id for stack in stacks for role in stack.of_kind(ROLE)}
        with self._steps.step("Stop running jobs") as remark:
            jobs = stop_jobs(self._sagemaker, roles) if roles else []
            remark.text = ", ".join(jobs) or "none ran"
        left = []
        for stack in stacks:
            self._empty(stack)
            with self._steps.step(f"Delete {stack.name}") as remark:
                self._delete(stack, remark)
            left += self._retained(stack)
        return Destroyed(
            stacks=[stack.name for stack in stacks],
            objects=self._objects,
            model_packages=self._packages,
            jobs=jobs,
            log_groups=self._sweep_logs(),
            left=[*left, *self._always_left()],
        )

    def _empty(self, stack: DeployedStack) -> None:
        for endpoint in stack.of_kind(ENDPOINT):
            # The endpoint's id is its ARN; SageMaker names the log group after the endpoint.
            self._notes.remember(f"/aws/sagemaker/Endpoints/{endpoint.physical_id.rsplit('/', 1)[-1]}")
        for group in stack.of_kind(GROUP):
            with self._steps.step(f"Delete the registered models of {group.physical_id}") as remark:
                name = group.physical_id.rsplit("/", 1)[-1]
                count = delete_packages(self._sagemaker, name)
                self._packages += count
                remark.text = f"{count} versions"
        self._empty_buckets(stack)
        for vpc in stack.of_kind(VPC):
            with self._steps.step("Wait for the services' network interfaces to go") as remark:
                self._wait_for_interfaces(vpc.physical_id, remark)

    def _empty_buckets(self, stack: DeployedStack) -> None:
        names = [
            bucket.physical_id
            for bucket in stack.of_kind(BUCKET)
            if (self._also_data or not bucket.retained) and bucket_exists(self._s3, bucket.physical_id)
        ]
        for log in {close_log(self._s3, name) for name in names} & set(names):
            stop_deliveries(self._s3, log)
        for name in names:
            with self._steps.step(f"Empty s3://{name}") as remark:
                count = empty_bucket(self._s3, name, self._steps.progress("objects and versions"))
                self._objects += count
                remark.text = f"{count} objects and versions"

    def _delete(self, stack: DeployedStack, remark: Remark) -> None:
        self._cloudformation.delete_stack(StackName=stack.stack_id)
        waiter = self._cloudformation.get_waiter("stack_delete_complete")
        try:
            waiter.wait(
                StackName=stack.stack_id,
                WaiterConfig={
                    "Delay": self._poll_seconds,
                    "MaxAttempts": int(STACK_SECONDS / self._poll_seconds),
                },
            )
        except WaiterError as error:
            raise OperatorError(f"{stack.name} could not be deleted: {self._reason(stack, error)}") from None
        remark.text = f"{len(stack.resources)} resources"

    def _reason(self, stack: DeployedStack, error: Exception) -> str:
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack.stack_id)
        failed = pages.search("StackEvents[?ResourceStatus=='DELETE_FAILED']")
        return next(
            (f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed), str(error)
        )

    def _wait_for_interfaces(self, vpc: str, remark: Remark) -> None:
        deadline = time.monotonic() + INTERFACE_SECONDS
        waited = 0
        while strangers := self._interfaces(vpc):
            waited = max(waited, len(strangers))
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"{', '.join(strangers)} in {vpc} are still there after an hour: see in the EC2 console whose they "
                    "are, then run the same command again."
                )
            time.sleep(self._poll_seconds)
        remark.text = f"{waited} went" if waited else "there were none"

    def _interfaces(self, vpc: str) -> list[str]:
        pages = self._ec2.get_paginator("describe_network_interfaces")
        found = pages.paginate(Filters=[{"Name": "vpc-id", "Values": [vpc]}]).search("NetworkInterfaces[]")
        return [
            each["NetworkInterfaceId"] for each in found if each and each.get("InterfaceType") not in OWN_INTERFACES
        ]

    def _retained(self, stack: DeployedStack) -> list[Left]:
        """What the stack has let go of: taken too where all data is to go, else told."""
        left = []
        for resource in stack.resources:
            if resource.kind not in WHY or not (resource.retained or resource.kind == KEY):
                continue
            if resource.kind == BUCKET and self._also_data:
                if bucket_exists(self._s3, resource.physical_id):
                    self._s3.delete_bucket(Bucket=resource.physical_id)
            elif resource.kind == KEY and (self._also_data or not resource.retained):
                left.append(self._pending(resource.physical_id, schedule=resource.retained))
            else:
                left.append(Left(f"{_short(resource.kind)} {resource.physical_id}", *WHY[resource.kind]))
        return left

    def _pending(self, key: str, *, schedule: bool) -> Left:
        if schedule:
            self._kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)
        return Left(f"Key {key}", f"pending deletion: can be called back for {KEY_DAYS} days", "nothing")

    def _sweep_logs(self) -> list[str]:
        """Groups that a service made for something of ours alone; one that others share is not ours to delete."""
        swept = []
        with self._steps.step("Delete logs that services made") as remark:
            for group in list(self._notes.log_groups):
                if delete_log_group(self._logs, group):
                    swept.append(group)
                self._notes.forget(group)
            remark.text = ", ".join(swept) or "none"
        return swept

    def _always_left(self) -> list[Left]:
        found = self._logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
        shared = [
            Left(f"Log group {group['logGroupName']}", "shared by all of its kind in the account", "0.03 a GB-month")
            for group in found
            if group["logGroupName"].rsplit("/", 1)[-1].endswith(("Jobs", "NotebookInstances"))
        ]
        toolkit = Left("Stack CDKToolkit", "other CDK apps of this account may use it", "0.023 a GB-month of assets")
        return [*shared, toolkit]


def _short(kind: str) -> str:
    return kind.rsplit("::", 1)[-1]


def show(done: Destroyed) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{len(done.stacks)} stacks and {done.objects} objects are gone.")
    console.print("What stays:")
    for left in done.left:
        console.print(f"  {left.what}\n    {left.why}; costs (USD, us-east-1): {left.costs}", markup=False)
