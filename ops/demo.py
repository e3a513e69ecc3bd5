"""The whole system on this machine: `make demo`, or `python -m ops demo [--json]`; DEMO_DATA=DIR: your images.

Starts the embedded AWS, bootstraps it, deploys stage local with the unmodified CDK command line, pushes a data set
whose manifest starts the pipeline, promotes the model that it registers, deploys that, and predicts through API,
function and endpoint. Run again, it is quick and changes nothing: no data set is trained on twice.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from config import load_stage
from config.load import FOLDER
from local import control
from ops import cdk
from ops.account import Account
from ops.asking.answer import AnswerError
from ops.asking.pictures import Picture
from ops.asking.through_api import ThroughApi
from ops.asking.ways import api_way
from ops.console import Steps, Terminal
from ops.data.check import Terms, check
from ops.data.dataset import DataSet
from ops.data.push import plan, push
from ops.data.run import way_to
from ops.data.source import folder_of
from ops.errors import OperatorError
from ops.models.deciding import when
from ops.models.registry import Registry, registered
from ops.models.stage_file import Promoted, with_model
from ops.stage import Stage
from ops.training_run import Runs

STAGE = "local"
LOGS = cdk.ROOT / ".whippet" / "logs"
PICTURES = cdk.ROOT / ".whippet" / "pictures"
# The stage file with the promoted model in it; `cdk diff -c stage=local -c stages=.whippet/stages` reads it too.
STAGES = cdk.ROOT / ".whippet" / "stages"
# Few and easily told apart: enough to see the whole way, in a minute of training.
DRAWN = ("--train=400", "--valid=80", "--test=80", "--labels=blue_circle,checkerboard,red_circle,ring")
SHOWN = 10


@dataclass(frozen=True)
class Prediction:
    image: str
    label: str
    probability: float
    model_version: str
    milliseconds: float


@dataclass(frozen=True)
class Demo:
    """What the demo found and did, as `--json` prints it."""

    page_url: str
    model_version: str
    labels: dict[str, str]
    """Picture -> what it shows."""
    predictions: list[Prediction]
    stacks: dict[str, int]
    seconds: dict[str, float]


def run(arguments: argparse.Namespace) -> int:
    demo = run_demo(Steps(), os.environ.get("DEMO_DATA"))
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(demo), indent=2) + "\n")
    else:
        show(demo)
    return 0


def run_demo(steps: Steps, own_data: str | None = None) -> Demo:
    config, _ = load_stage(STAGE)
    with steps.step("Start the embedded AWS") as remark:
        running = control.start()
        remark.text = running.url if running.started_now else f"{running.url} (ran already)"
    account = Account(config.stage.region, control.subprocess_environment(running), running.facts.account)
    cloudformation, names = account.client("cloudformation"), deployed(account).names
    with steps.step("Bootstrap it for the CDK") as remark:
        if "CDKToolkit" in complete_stacks(cloudformation):
            remark.text = "done before"
        else:
            words = ["bootstrap", f"aws://{account.number}/{account.region}", "-c", f"stage={STAGE}"]
            cdk.run(words, environment=account.environment, log=LOGS / "bootstrap.log")
    if names.stack("api") not in complete_stacks(cloudformation):
        # The first deploy serves the starter model: what was promoted before went with the stacks.
        (STAGES / f"{STAGE}.toml").unlink(missing_ok=True)
        _deploy(steps, account, f"Deploy stage {STAGE} with IAM enforced")
    dataset = _pictures(steps, own_data)
    promoted = train(steps, deployed(account), dataset)
    _write_stage(promoted)
    stacks = _deploy(steps, account, f"Deploy it with version {promoted.version} of the model")
    with steps.step("Predict through API, function and endpoint") as remark:
        outputs = deployed(account).outputs("api")
        with closing(api_way(account, config.api, outputs, account.client("s3"))) as way:
            page_url, shown = f"http://{way.target.host}/", dataset.examples()
            predictions = [_predicted(way, shown[label]) for label in sorted(shown)[:SHOWN]]
        remark.text = f"{len(predictions)} images"
    labels = {path.name: label for label, path in shown.items()}
    return Demo(page_url, promoted.version, labels, predictions, stacks, steps.seconds)


def deployed(account: Account) -> Stage:
    """As CloudFormation tells of it from now on: a deploy changes what it told before."""
    return Stage(STAGE, load_stage(STAGE)[0], account, FOLDER)


def _predicted(way: ThroughApi, file: Path) -> Prediction:
    try:
        found = way.ask(Picture(file.name, file=file))
    except AnswerError as error:
        raise OperatorError(str(error)) from None
    return Prediction(found.image, found.label, found.probability, found.model_version, found.milliseconds["total"])


def _deploy(steps: Steps, account: Account, title: str) -> dict[str, int]:
    cloudformation = account.client("cloudformation")
    with steps.step(title) as remark:
        before = last_changes(cloudformation)
        arguments = ["deploy", "--all", "-c", f"stage={STAGE}", "--require-approval", "never"]
        if (STAGES / f"{STAGE}.toml").exists():
            arguments += ["-c", f"stages={STAGES}"]
        cdk.run(arguments, environment=account.environment, log=LOGS / "deploy.log")
        stacks = count_resources(cloudformation, deployed(account).names.stack(""))
        remark.text = f"{len(stacks)} stacks, {sum(stacks.values())} resources"
        if before == last_changes(cloudformation):
            remark.text += ", nothing to change"
    return stacks


def _pictures(steps: Steps, own_data: str | None) -> DataSet:
    if own_data:
        with steps.step("Look at your pictures") as remark:
            found = check(folder_of(own_data), "mine", Terms(), watched=False)
            remark.text = f"{len(found.pictures)} pictures of {len(found.labels)} classes"
        return found
    with steps.step("Draw pictures to train on") as remark:
        if not (PICTURES / "synthetic.json").exists():
            shutil.rmtree(PICTURES, ignore_errors=True)
            draw = [sys.executable, "-m", "training.synthetic", "--out", str(PICTURES), *DRAWN]
            subprocess.run(draw, cwd=cdk.ROOT, check=True, stdout=subprocess.DEVNULL)
        found = check(PICTURES, "demo", Terms(), watched=False)
        remark.text = f"{len(found.pictures)} pictures of {len(found.labels)} classes"
    return found


def train(steps: Steps, stage: Stage, dataset: DataSet) -> Promoted:
    """The data set's model, trained unless it was before."""
    runs, way = Runs.of_stage(stage), way_to(stage, dataset.name)
    before = [one.arn for one in runs.of(dataset.name)]
    planned = plan(way.shelf, dataset)
    known = before[0] if before and planned.nothing_to_do else None
    if known is None or runs.status(known)[0] in ("Failed", "Stopped"):
        with steps.step("Push them; the manifest starts the pipeline") as remark:
            pushed = push(way, dataset, planned, _counting(steps.progress("pictures")))
            remark.text = way.shelf.address
            if pushed.manifest_written:
                known = runs.started(dataset.name, set(before))
            else:
                # A manifest starts one run alone, and that one has failed.
                known = runs.start(dataset.name, way.shelf.prefix)
    with steps.step("Prepare, tune, train, evaluate, register") as remark:
        if runs.status(known)[0] == "Succeeded":
            remark.text = "done before"
        else:
            for step in runs.follow(known):
                steps.done(f"  {step.name}", round(step.seconds, 2))
    with steps.step("Promote the model") as remark:
        promoted = _approve(stage, runs.registered(known))
        remark.text = f"version {promoted.version}, {promoted.artifact}"
    return promoted


def _counting(show: Callable[[int], None]) -> Callable[[int, int], None]:
    """Files one by one, told as how many there are."""
    arrived: list[int] = []

    def tell(files: int, _size: int) -> None:
        arrived.extend([1] * files)
        show(len(arrived))

    return tell


def _approve(stage: Stage, package: str) -> Promoted:
    sagemaker = stage.client("sagemaker")
    version = registered(sagemaker, package)
    by = str(stage.client("sts").get_caller_identity()["Arn"])
    Registry(sagemaker, "").approve(version, reason="make demo", by=by, at=when())
    return Promoted(version.artifact, str(version.number))


def _write_stage(promoted: Promoted) -> None:
    """Beside the repository's own file, which says what the first deploy serves."""
    tracked = (cdk.ROOT / "config" / f"{STAGE}.toml").read_text()
    STAGES.mkdir(parents=True, exist_ok=True)
    (STAGES / f"{STAGE}.toml").write_text(with_model(tracked, promoted))


def complete_stacks(cloudformation: Any) -> dict[str, Any]:  # noqa: ANN401
    found = cloudformation.get_paginator("describe_stacks").paginate().search("Stacks[]")
    return {stack["StackName"]: stack for stack in found if stack["StackStatus"].endswith("_COMPLETE")}


def last_changes(cloudformation: Any) -> dict[str, Any]:  # noqa: ANN401
    stacks = complete_stacks(cloudformation).items()
    return {name: stack.get("LastUpdatedTime", stack["CreationTime"]) for name, stack in stacks}


def count_resources(cloudformation: Any, prefix: str) -> dict[str, int]:  # noqa: ANN401
    pages = cloudformation.get_paginator("list_stack_resources")
    names = [name for name in complete_stacks(cloudformation) if name.startswith(prefix)]
    return {name: sum(1 for _ in pages.paginate(StackName=name).search("StackResourceSummaries[]")) for name in names}


def show(demo: Demo) -> None:
    console = Terminal()
    table = Table(title="Predictions", title_justify="left")
    for heading in ("image", "shows", "label", "probability", "round trip"):
        justify: Literal["left", "right"] = "right" if heading in {"probability", "round trip"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for found in demo.predictions:
        table.add_row(
            found.image,
            demo.labels[found.image],
            found.label,
            f"{found.probability:.3f}",
            f"{found.milliseconds:.0f} ms",
        )
    console.print(table)
    right = sum(found.label == demo.labels[found.image] for found in demo.predictions)
    console.print(
        f"{right} of {len(demo.predictions)} are named rightly by version {demo.model_version}, "
        "which never saw these pictures.\n"
    )
    console.print("What exists now")
    for name, count in demo.stacks.items():
        console.print(f"  {name:<26} {count} resources")
    console.print(f"\nThe page, in your browser      {demo.page_url}")
    console.print("In a terminal, first           source .venv/bin/activate")
    console.print("  what runs and what is inert  python -m local status")
    console.print('  speak to it as to AWS        eval "$(python -m local env)"')
    console.print("  a change before it is made   cdk diff -c stage=local -c stages=.whippet/stages")
    console.print("  stop; take it all away       python -m local stop; make clean")
