"""Take a stage away: empty, wait, sweep what CloudFormation cannot delete, and say what stays and why.

Names come from the deployed stacks alone. Interrupted, it is run again and goes on: what is gone is skipped.
"""

import argparse
import json
import sys
from dataclasses import asdict

from botocore.exceptions import ClientError, WaiterError
from rich.console import Console

from ops import cdk
from ops.console import Steps, fail
from ops.deployment import DeployedStack, stacks_of
from ops.errors import OperatorError
from ops.kept import BUCKET
from ops.notes import Notes
from ops.stage import Stage
from ops.teardown import GROUP, Destroyed, Teardown

NOTES = cdk.ROOT / ".whippet"


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    account = stage.account
    prefix = stage.names.stack("")
    # Another account's stage of this name is another stage.
    notes = Notes(NOTES / f"destroy-{arguments.stage}-{account.number}.json")
    stacks = stacks_of(account.client("cloudformation"), prefix)
    if not stacks and not notes.log_groups and not notes.kept:
        sys.stderr.write(f"There is nothing of stage {arguments.stage} in this account.\n")
        return 0
    protected = [stack.name for stack in stacks if stack.protected]
    if protected:
        raise OperatorError(
            f"{', '.join(protected)} is protected: set stage.protect = false in config/{arguments.stage}.toml, deploy "
            "it, then destroy."
        )
    if not arguments.yes and not confirmed(arguments.stage, stacks, notes, also_data=arguments.also_data):
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


def confirmed(stage: str, stacks: list[DeployedStack], notes: Notes, *, also_data: bool) -> bool:
    """The stage's name, typed by a person who has read what goes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for stack in stacks:
        console.print(f"  {stack.name:<28} {len(stack.resources)} resources")
        for bucket in stack.of_kind(BUCKET):
            kept = bucket.retained and not also_data
            console.print(f"    s3://{bucket.physical_id} {'stays' if kept else 'goes, with every version in it'}")
        for group in stack.of_kind(GROUP):
            console.print(f"    {group.physical_id.rsplit('/', 1)[-1]} goes, with who approved which model")
    deployed = {resource.physical_id for stack in stacks for resource in stack.resources}
    for resource in notes.kept:
        if resource.physical_id not in deployed:
            what = f"{resource.noun} {resource.physical_id}"
            console.print(f"  {what}, which an earlier run left, {'goes' if also_data else 'stays'}")
    if not sys.stdin.isatty():
        raise OperatorError("Nobody can be asked here: say `--yes` if all of this is to go.")
    console.print(f"Type {stage} to take all of this away: ", end="")
    return sys.stdin.readline().strip() == stage


def show(done: Destroyed) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{len(done.stacks)} stacks and {done.objects} objects are gone.")
    console.print("What stays:")
    for left in done.left:
        console.print(f"  {left.what}\n    {left.why}; costs (USD, us-east-1): {left.costs}", markup=False)
