"""Take a stage away: empty, wait, sweep what CloudFormation cannot delete, and say what stays and why.

Names come from the deployed stacks alone. Interrupted, it is run again and goes on: what is gone is skipped.
"""

import argparse
from dataclasses import asdict

from botocore.exceptions import ClientError, WaiterError
from rich.console import Console

from ops import cdk
from ops.confirming import typed
from ops.console import Steps, Terminal, answer
from ops.deployment import DeployedStack, stacks_of
from ops.errors import OperatorError
from ops.kept import BUCKET
from ops.notes import Notes
from ops.printable import tell
from ops.stage import Stage
from ops.teardown import GROUP, Destroyed, Teardown
from ops.weather import sentence_of

NOTES = cdk.ROOT / ".whippet"
NOTHING = Destroyed([], 0, 0, [], [], [], [])


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    account = stage.account
    prefix = stage.names.stack("")
    # Another account's stage of this name is another stage.
    notes = Notes(NOTES / f"destroy-{arguments.stage}-{account.number}.json")
    stacks = stacks_of(account.client("cloudformation"), prefix)
    if not stacks and not notes.log_groups and not notes.kept:
        tell(f"There is nothing of stage {arguments.stage} in this account.")
        return answer(arguments, asdict(NOTHING), lambda _: None)
    protected = [stack.name for stack in stacks if stack.protected]
    if protected:
        raise OperatorError(
            f"{', '.join(protected)} is protected: set stage.protect = false in config/{arguments.stage}.toml, deploy "
            "it, then destroy."
        )
    if not arguments.yes and not confirmed(arguments.stage, stacks, notes, also_data=arguments.also_data):
        raise OperatorError("Nothing was touched.")
    try:
        done = Teardown(account, Steps(), notes, also_data=arguments.also_data).destroy(stacks)
    except (ClientError, WaiterError) as error:
        known = sentence_of(error)
        raise type(known)(f"{known} Then run the same command: it goes on where this stopped.") from None
    return answer(arguments, asdict(done), lambda console: show(done, console))


def confirmed(stage: str, stacks: list[DeployedStack], notes: Notes, *, also_data: bool) -> bool:
    """The stage's name, typed by a person who has read what goes."""
    console = Terminal(stderr=True)
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
    return typed(stage, "to take all of this away")


def show(done: Destroyed, console: Console) -> None:
    console.print(f"{len(done.stacks)} stacks and {done.objects} objects are gone.")
    console.print("What stays:")
    for left in done.left:
        console.print(f"  {left.what}\n    {left.why}; costs (USD, us-east-1): {left.costs}", markup=False)
