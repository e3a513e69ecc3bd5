"""Another instance type, or a variant less, in two deploys that are shown before the first begins."""

import argparse
from dataclasses import asdict
from typing import Any

from ops.confirming import typed
from ops.console import Steps, Terminal, answer
from ops.errors import OperatorError, Refused, WorkFailed
from ops.models.before import Before
from ops.models.change import StageChange
from ops.models.live import Live, live
from ops.models.resize_plan import Plan, Wanted, planned, variants_of
from ops.models.serving_change import some
from ops.models.stage_file import checked, write
from ops.stage import Stage

# The alarms of a variant that goes are in Operations.
ROOMS = ("serving", "operations")


def run(arguments: argparse.Namespace) -> int:
    stage, steps = Stage.open(arguments.stage, arguments.stages), Steps()
    if stage.config.serving.mode == "serverless":
        raise OperatorError('serving.mode = "serverless" has no instances: there is nothing to resize.')
    kind = arguments.instance_type
    wanted = Wanted(f"ml.{kind.removeprefix('ml.')}" if kind else None, arguments.remove_variant)
    path = stage.folder / f"{stage.name}.toml"
    serving, text, note = live(stage), path.read_text(encoding="utf-8"), Before(stage)
    before = note.of(text)
    # Interrupted once its section was out of the file, a variant is still what is deployed.
    base = before if before and wanted.removed and not wanted.is_live(serving) else text
    plan = planned(base, wanted, serving, scaled=is_scaled(stage, serving))
    for step in plan.steps:
        checked(step.text, path)
    data: dict[str, Any] = {"change": str(wanted), "steps": [step.title for step in plan.steps], "done": []}
    if not plan.steps:
        refuse_what_was_never_there(text, before, wanted, serving)
        return answer(arguments, data, lambda console: console.print(f"{wanted}: it is so already.", markup=False))
    told(stage, wanted, serving, plan)
    if not arguments.yes and not typed(stage.name, "to begin"):
        raise OperatorError("Nothing was touched.")
    for number, step in enumerate(plan.steps):
        with StageChange(stage, steps, ROOMS) as change:
            if number == 0:
                _refuse_others(change, plan, insist=arguments.with_other_changes)
            assembly = change.synthesized(step.text, "after", "Synthesize")
            # In the file before the deploy: what is deployed is what the file says, an interruption or not.
            note.keep(path.read_text(encoding="utf-8"), step.text)
            write(path, step.text)
            change.deploy(assembly, step.title)
        data["done"].append(step.title)
    found = live(stage)
    if not wanted.is_live(found):
        raise WorkFailed(f"{found.endpoint} serves as before: SageMaker has gone back by itself; run it again.")
    data["endpoint"] = asdict(found)
    return answer(arguments, data, lambda console: console.print(f"{wanted}: done.", markup=False))


def refuse_what_was_never_there(text: str, before: str | None, wanted: Wanted, serving: Live) -> None:
    """Who mistypes a name must not believe that the variant is gone. What was removed here is known by its note."""
    if wanted.removed is None or (before and wanted.removed in variants_of(before)):
        return
    known = ", ".join(one.variant for one in serving.variants)
    said = f"{serving.endpoint} has no variant {wanted.removed}; it has {known}"
    if wanted.removed in variants_of(text):
        said += ". The stage file has it, and it was never deployed: take its section out there"
    raise OperatorError(f"{said}.")


def is_scaled(stage: Stage, serving: Live) -> bool:
    """Whether any of its variants is registered with Application Auto Scaling."""
    ids = [f"endpoint/{serving.endpoint}/variant/{one.variant}" for one in serving.variants if not one.shadow]
    found = stage.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=ids
    )
    return bool(found["ScalableTargets"])


def _refuse_others(change: StageChange, plan: Plan, *, insist: bool) -> None:
    before = change.synthesized(plan.as_deployed, "before", "Synthesize what is deployed", looked_at=False)
    others = change.other_changes(before)
    if others and not insist:
        raise Refused(
            f"The checkout differs from what is deployed in more than this ({some(others)}), which these deploys would "
            "take along: deploy that first, or say --with-other-changes."
        )


def told(stage: Stage, wanted: Wanted, serving: Live, plan: Plan) -> None:
    console = Terminal(stderr=True)
    now = ", ".join(f"{one.variant} on {one.instance_type}" for one in serving.variants)
    console.print(f"{wanted}, for {serving.endpoint} ({now}). Deploys, one after the other:", markup=False)
    for number, step in enumerate(plan.steps, start=1):
        console.print(f"  {number}. {step.title}", markup=False)
    console.print(f"Each writes {stage.folder / stage.name}.toml first. Instances keep their number.", markup=False)
