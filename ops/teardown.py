"""One stage's end: what runs is stopped, each stack emptied of what would keep it, then deleted, consumers first."""

import time
from dataclasses import dataclass

from botocore.exceptions import ClientError, WaiterError

from ops.account import Account
from ops.console import Remark, Steps
from ops.deployment import DeployedStack
from ops.emptying import delete_log_group, delete_packages
from ops.errors import OperatorError
from ops.kept import BUCKET, Kept, Left, outlives
from ops.notes import Notes
from ops.stopping import Jobs

GROUP, PIPELINE = "AWS::SageMaker::ModelPackageGroup", "AWS::SageMaker::Pipeline"
ENDPOINT, VPC, ROLE = "AWS::SageMaker::Endpoint", "AWS::EC2::VPC", "AWS::IAM::Role"
# Interfaces that belong to the network's own resources go with it; all others were made by a service for its users.
OWN_INTERFACES = {"vpc_endpoint", "gateway_load_balancer_endpoint", "nat_gateway"}
NOT_OURS_TO_DELETE = {
    "InvalidNetworkInterface.InUse",
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidParameterValue",
    "OperationNotPermitted",
}
STACK_SECONDS, INTERFACE_SECONDS = 3600, 3600  # an endpoint takes minutes; Lambda's interfaces 20 to 40


@dataclass(frozen=True)
class Destroyed:
    """What was done, as `--json` prints it."""

    stacks: list[str]
    objects: int
    model_packages: int
    runs: list[str]
    jobs: list[str]
    log_groups: list[str]
    left: list[Left]


class Teardown:
    """Interrupted, it is begun again with what is still there; the notes know what the stacks no longer tell."""

    def __init__(self, account: Account, steps: Steps, notes: Notes, *, also_data: bool) -> None:
        self._cloudformation = account.client("cloudformation")
        self._sagemaker, self._logs, self._ec2 = (account.client(name) for name in ("sagemaker", "logs", "ec2"))
        self._steps, self._poll_seconds = steps, account.poll_seconds
        self._notes, self._also_data = notes, also_data
        self._jobs = Jobs(self._sagemaker, account.poll_seconds)
        self._kept = Kept(account, steps, notes)
        self._packages = 0

    def destroy(self, stacks: list[DeployedStack]) -> Destroyed:
        runs, jobs = self._stop(stacks)
        for stack in stacks:
            self._empty(stack)
            for resource in filter(outlives, stack.resources):
                self._notes.remember(resource)
            with self._steps.step(f"Delete {stack.name}") as remark:
                self._delete(stack, remark)
        if self._also_data:
            self._kept.take()
        return Destroyed(
            stacks=[stack.name for stack in stacks],
            objects=self._kept.objects,
            model_packages=self._packages,
            runs=runs,
            jobs=jobs,
            log_groups=self._sweep_logs(),
            left=[*self._kept.tell(), *self._always_left()],
        )

    def _stop(self, stacks: list[DeployedStack]) -> tuple[list[str], list[str]]:
        """Runs before jobs, since a run starts the next one."""
        pipelines = [pipeline.physical_id for stack in stacks for pipeline in stack.of_kind(PIPELINE)]
        roles = {role.physical_id for stack in stacks for role in stack.of_kind(ROLE)}
        with self._steps.step("Stop what trains") as remark:
            runs = [run for pipeline in pipelines for run in self._jobs.stop_runs(pipeline)]
            jobs = self._jobs.stop(roles) if roles else []
            remark.text = ", ".join([*runs, *jobs]) or "nothing ran"
        return runs, jobs

    def _empty(self, stack: DeployedStack) -> None:
        for endpoint in stack.of_kind(ENDPOINT):
            # The endpoint's id is its ARN; SageMaker names the log group after the endpoint.
            self._notes.remember_log(f"/aws/sagemaker/Endpoints/{endpoint.physical_id.rsplit('/', 1)[-1]}")
        for pipeline in stack.of_kind(PIPELINE):
            # A data set that arrived meanwhile may have started one, and a pipeline with a run is not deleted.
            self._jobs.stop_runs(pipeline.physical_id)
        for group in stack.of_kind(GROUP):
            name = group.physical_id.rsplit("/", 1)[-1]
            with self._steps.step(f"Delete the registered models of {name}") as remark:
                count = delete_packages(self._sagemaker, name)
                self._packages += count
                remark.text = f"{count} versions"
        self._kept.empty([bucket.physical_id for bucket in stack.of_kind(BUCKET) if not bucket.retained])
        for vpc in stack.of_kind(VPC):
            with self._steps.step("Wait for the services' network interfaces to go") as remark:
                self._wait_for_interfaces(vpc.physical_id, remark)

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
        """What a service has let go of and left behind is deleted; what it still holds, it takes away itself."""
        deadline = time.monotonic() + INTERFACE_SECONDS
        seen: set[str] = set()
        while strangers := self._interfaces(vpc):
            seen |= strangers.keys()
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"{', '.join(strangers)} in {vpc} are still there after an hour: see in the EC2 console whose they "
                    "are, then run the same command again."
                )
            for name, status in strangers.items():
                if status == "available":
                    self._delete_interface(name)
            time.sleep(self._poll_seconds)
        remark.text = f"{len(seen)} went" if seen else "there were none"

    def _interfaces(self, vpc: str) -> dict[str, str]:
        """Those of others, with their status."""
        pages = self._ec2.get_paginator("describe_network_interfaces")
        found = pages.paginate(Filters=[{"Name": "vpc-id", "Values": [vpc]}]).search("NetworkInterfaces[]")
        return {
            each["NetworkInterfaceId"]: each.get("Status", "")
            for each in found
            if each and each.get("InterfaceType") not in OWN_INTERFACES
        }

    def _delete_interface(self, name: str) -> None:
        try:
            self._ec2.delete_network_interface(NetworkInterfaceId=name)
        except ClientError as error:
            # Its service was quicker, has taken it up again, or lets nobody else delete it; the next look tells.
            if error.response["Error"]["Code"] not in NOT_OURS_TO_DELETE:
                raise

    def _sweep_logs(self) -> list[str]:
        """Groups that a service made for something of ours alone; one that others share is not ours to delete."""
        swept = []
        with self._steps.step("Delete logs that services made") as remark:
            for group in list(self._notes.log_groups):
                if delete_log_group(self._logs, group):
                    swept.append(group)
                self._notes.forget_log(group)
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
