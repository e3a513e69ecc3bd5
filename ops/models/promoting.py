"""A registered version on its way to being served: judged, approved, written into the stage file, shown, deployed.

CloudFormation alone owns the live endpoint: without --deploy nothing that serves is touched.
"""

import argparse
from typing import Any

from rich.console import Console

from ops.console import Steps, answer
from ops.errors import Refused
from ops.models.deciding import when, who
from ops.models.gate import Verdict, judge
from ops.models.live import live, past
from ops.models.registry import Registry, Version
from ops.models.serving_change import Changed, ServingChange, some
from ops.models.stage_file import Promoted
from ops.stage import Stage


def run(arguments: argparse.Namespace) -> int:
    stage, steps = Stage.open(arguments.stage, arguments.stages), Steps()
    registry = Registry(stage.client("sagemaker"), stage.output("training", "ModelGroupName"))
    version = registry.find(arguments.version)
    serving = live(stage)
    verdict = judge(stage, version, serving.artifact, steps)
    if not verdict.passes and not arguments.force:
        raise Refused(f"{verdict.sentence} To promote it nevertheless, say why: --force REASON.")
    reason = arguments.force or arguments.reason or verdict.sentence

    def approve() -> None:
        registry.approve(version, reason=reason, by=who(stage), at=when(), anew=not verdict.passes)
        steps.done(f"Approve version {version.number}", 0.0, verdict.sentence)

    changed = ServingChange(stage, steps).make(
        Promoted(version.artifact, str(version.number)),
        deployed(stage),
        decide=approve,
        deploy=arguments.deploy,
        with_other_changes=arguments.with_other_changes,
    )
    return answer(arguments, data_of(version, verdict, changed), lambda console: show(console, stage, version, changed))


def deployed(stage: Stage) -> Promoted:
    """What the last deploy wrote down."""
    found = past(stage)[0]
    return Promoted(found.artifact, found.version)


def data_of(version: Version, verdict: Verdict, changed: Changed) -> dict[str, Any]:
    return {
        "version": version.number,
        "artifact": version.artifact,
        "gate": verdict.as_json(),
        "stage_file": str(changed.stage_file),
        "diff": changed.diff,
        "other_changes": changed.other_changes,
        "deployed": changed.deployed,
    }


def show(console: Console, stage: Stage, version: Version, changed: Changed) -> None:
    console.print(changed.diff, markup=False)
    console.print()
    if changed.other_changes:
        console.print(
            f"Beside the model, the checkout differs from what is deployed in {some(changed.other_changes)}.",
            markup=False,
        )
    if changed.deployed:
        console.print(f"Version {version.number} is live in stage {stage.name}.")
    else:
        console.print(
            f"Version {version.number} is approved and stands in {changed.stage_file}; what serves has not changed.",
            markup=False,
        )
        console.print(f"To serve it: python -m ops promote {version.number} --stage {stage.name} --deploy")
