"""The whole system on this machine: `make demo`, or `python -m ops demo [--json]`.

Starts the embedded AWS, bootstraps it, deploys stage local with the unmodified CDK command line, and predicts through
API, function and endpoint. Run again, it is quick and changes nothing.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
from rich.console import Console
from rich.table import Table

from config import ConfigError, load_stage
from config.names import Names
from local import control
from local.home import LocalError
from ops import cdk
from ops.console import Steps, fail
from ops.predictions import Prediction, PredictionError, predict

STAGE = "local"
SAMPLES = cdk.ROOT / "training" / "starter" / "samples"
LOGS = cdk.ROOT / ".whippet" / "logs"
INTERRUPTED = 130
INTERRUPTED_SENTENCE = "Interrupted. `make demo` goes on where this stopped; `python -m local stop` ends what runs."


@dataclass(frozen=True)
class Demo:
    """What the demo found and did, as `--json` prints it."""

    page_url: str
    predictions: list[Prediction]
    stacks: dict[str, int]
    seconds: dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.demo", description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except KeyboardInterrupt:
        fail(INTERRUPTED_SENTENCE)
        return INTERRUPTED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")


def run(arguments: argparse.Namespace) -> int:
    try:
        demo = run_demo(Steps())
    except (ConfigError, LocalError, cdk.CdkError, PredictionError) as error:
        return fail(str(error))
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(demo), indent=2) + "\n")
    else:
        show(demo)
    return 0


def run_demo(steps: Steps) -> Demo:
    config, _ = load_stage(STAGE)
    with steps.step("Start the embedded AWS") as remark:
        running = control.start()
        remark.text = running.url if running.started_now else f"{running.url} (ran already)"
    environment = control.subprocess_environment(running)
    cloudformation = client("cloudformation", environment)
    with steps.step("Bootstrap it for the CDK") as remark:
        if "CDKToolkit" in complete_stacks(cloudformation):
            remark.text = "done before"
        else:
            target = f"aws://{running.facts.account}/{config.stage.region}"
            cdk.run(["bootstrap", target, "-c", f"stage={STAGE}"], environment=environment, log=LOGS / "bootstrap.log")
    with steps.step(f"Deploy stage {STAGE} with IAM enforced") as remark:
        before = last_changes(cloudformation)
        arguments = ["deploy", "--all", "-c", f"stage={STAGE}", "--require-approval", "never"]
        cdk.run(arguments, environment=environment, log=LOGS / "deploy.log")
        stacks = count_resources(cloudformation, Names(config.stage.project, STAGE).stack(""))
        remark.text = f"{len(stacks)} stacks, {sum(stacks.values())} resources"
        if before == last_changes(cloudformation):
            remark.text += ", nothing to change"
    url = outputs(cloudformation, Names(config.stage.project, STAGE).stack("api"))["Url"]
    with steps.step("Predict through API, function and endpoint") as remark:
        page_url, reach = page(url, running.facts.http_port)
        images = sorted(path for path in SAMPLES.iterdir() if path.suffix == ".jpg")
        predictions = [predict(reach, urlsplit(page_url).netloc, image) for image in images]
        remark.text = f"{len(predictions)} images"
    return Demo(page_url, predictions, stacks, steps.seconds)


def page(api_url: str, http_port: int) -> tuple[str, str]:
    """Where a browser finds the page, and the address to connect to: not every resolver knows names below localhost."""
    api_id = str(urlsplit(api_url).hostname).split(".", maxsplit=1)[0]
    return f"http://{api_id}.execute-api.localhost:{http_port}/", f"127.0.0.1:{http_port}"


def client(service: str, environment: dict[str, str]) -> Any:  # noqa: ANN401  (boto3 makes its clients at run time)
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        verify=environment["AWS_CA_BUNDLE"],
    )


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


def outputs(cloudformation: Any, stack: str) -> dict[str, str]:  # noqa: ANN401
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def show(demo: Demo) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title="Predictions", title_justify="left")
    for heading in ("image", "label", "probability", "round trip"):
        justify: Literal["left", "right"] = "right" if heading in {"probability", "round trip"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for found in demo.predictions:
        table.add_row(found.image, found.label, f"{found.probability:.3f}", f"{found.milliseconds:.0f} ms")
    console.print(table)
    right = sum(found.label == found.image.removesuffix(".jpg") for found in demo.predictions)
    console.print(
        f"{right} of {len(demo.predictions)} are named as they were drawn; the file's name says what it shows.\n"
    )
    console.print("What exists now")
    for name, count in demo.stacks.items():
        console.print(f"  {name:<26} {count} resources")
    console.print(f"\nThe page, in your browser      {demo.page_url}")
    console.print("In a terminal, first           source .venv/bin/activate")
    console.print("  what runs and what is inert  python -m local status")
    console.print('  speak to it as to AWS        eval "$(python -m local env)"')
    console.print("  a change before it is made   cdk diff -c stage=local")
    console.print("  stop; take it all away       python -m local stop; make clean")


if __name__ == "__main__":
    sys.exit(main())
