"""Back to the model that was live before this one, by the record that the deploys themselves have written."""

import argparse

from rich.console import Console

from ops.console import Steps, answer
from ops.errors import OperatorError
from ops.models.deciding import when, who
from ops.models.live import STARTER, Past, live, past
from ops.models.registry import REJECTED, Registry, Version
from ops.models.serving_change import Changed, ServingChange
from ops.models.stage_file import Promoted
from ops.stage import Stage


def run(arguments: argparse.Namespace) -> int:
    stage, steps = Stage.open(arguments.stage, arguments.stages), Steps()
    registry = Registry(stage.client("sagemaker"), stage.output("training", "ModelGroupName"))
    versions = {one.artifact: one for one in registry.versions()}
    serving, entries = live(stage), past(stage)
    target = way_back(entries, serving.artifact, versions)
    # What was deployed last, also where SageMaker has left it by itself.
    left = versions.get(entries[0].artifact)

    def reject() -> None:
        # Before anything changes: run again after an interruption, it leads to the same version; after the end, one
        # further.
        if left is not None and left.status != REJECTED:
            registry.reject(left, reason=arguments.reason or "rolled back", by=who(stage), at=when())
            steps.done(f"Reject version {left.number}", 0.0, arguments.reason or "rolled back")

    before = Promoted(entries[0].artifact, entries[0].version)
    changed = ServingChange(stage, steps).make(
        Promoted(target.artifact, target.version),
        before,
        decide=reject,
        deploy=not arguments.no_deploy,
        with_other_changes=arguments.with_other_changes,
    )
    data = {
        "from": entries[0].artifact,
        "version": target.version,
        "artifact": target.artifact,
        "was_live_since": target.since,
        "stage_file": str(changed.stage_file),
        "diff": changed.diff,
        "other_changes": changed.other_changes,
        "deployed": changed.deployed,
    }
    return answer(arguments, data, lambda console: show(console, stage, target, changed))


def way_back(entries: list[Past], serving: str, versions: dict[str, Version]) -> Past:
    """The one before, or what serves where SageMaker has gone back by itself, of which the record knows nothing."""
    if serving == entries[0].artifact:
        return last_before(entries, serving, versions)
    for one in entries:
        if one.artifact == serving:
            return one
    raise OperatorError(
        f"The endpoint serves {serving}, which no deploy of this stage has written down: set model.artifact and "
        "model.version in the stage file to what shall serve, and deploy."
    )


def last_before(entries: list[Past], artifact: str, versions: dict[str, Version]) -> Past:
    """The youngest that was live, is not live and was not rejected; the starter is never rejected."""
    for one in entries:
        if one.artifact == artifact:
            continue
        if one.artifact == STARTER:
            return one
        version = versions.get(one.artifact)
        if version is None or version.status != REJECTED:
            return one
    raise OperatorError(
        "No other model that was not rejected was live in this stage: there is nothing to go back to. "
        "`python -m ops models` lists what could be promoted."
    )


def show(console: Console, stage: Stage, target: Past, changed: Changed) -> None:
    console.print(changed.diff, markup=False)
    console.print()
    if changed.deployed:
        console.print(f"Version {target.version} is live in stage {stage.name} again; it was so since {target.since}.")
    else:
        console.print(f"Version {target.version} stands in {changed.stage_file}; nothing that serves has changed.")
