"""One version's model card: what it was made of and from, how well it does, class by class, and where it is used."""

import argparse
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.console import answer
from ops.models.card import Card, read_card
from ops.models.card_page import page
from ops.models.listing import places_of, row, status_word
from ops.models.live import live
from ops.models.registry import Registry, Version
from ops.stage import Stage
from ops.training_run import Runs
from ops.written import write

SHOWN_MISTAKES = 10


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    registry = Registry(stage.client("sagemaker"), stage.output("training", "ModelGroupName"))
    version = registry.find(arguments.version)
    card = read_card(stage.client("s3"), version.url, version.evaluation_url)
    data = document(stage, version, card)
    if arguments.html:
        write(arguments.html, page(data))
    return answer(arguments, data, lambda console: show(console, data, arguments.html))


def document(stage: Stage, version: Version, card: Card) -> dict[str, Any]:
    known, scores = card.metadata, card.scores
    return {
        **row(version, card, places_of(stage, live(stage))),
        "model_version": known.get("version"),
        "architecture": known.get("architecture"),
        "labels": card.labels,
        "input": known.get("input"),
        "data": known.get("data"),
        "code": known.get("code"),
        "framework": known.get("framework"),
        "hyperparameters": known.get("hyperparameters"),
        "training_metrics": known.get("metrics"),
        "int8": known.get("int8"),
        "temperature": known.get("temperature"),
        "scores": {key: value for key, value in scores.items() if not isinstance(value, dict | list)},
        "accuracy_95": scores.get("accuracy_95"),
        "uncalibrated": scores.get("uncalibrated"),
        "per_class": scores.get("classes", {}),
        "mistakes": scores.get("mistakes", []),
        "lineage": lineage(stage, version),
        "image": version.image,
    }


def lineage(stage: Stage, version: Version) -> dict[str, Any]:
    """The pipeline's run and its steps, as long as SageMaker remembers them."""
    found: dict[str, Any] = {"artefact": version.url, "evaluation": version.evaluation_url, "package": version.arn}
    if not version.run:
        return found
    sagemaker, pipeline = stage.client("sagemaker"), stage.output("training", "PipelineName")
    arn = sagemaker.describe_pipeline(PipelineName=pipeline)["PipelineArn"] + f"/execution/{version.run}"
    try:
        run = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
        steps = Runs.of_stage(stage).every_step(arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        return found | {"run": version.run, "remark": "SageMaker does not remember this run any more"}
    jobs = {step.name: step.job or step.package for step in steps}
    return found | {
        "run": arn,
        "run_name": run.get("PipelineExecutionDisplayName"),
        "parameters": {one["Name"]: one["Value"] for one in parameters},
        "jobs": {name: job for name, job in jobs.items() if job},
    }


def show(console: Console, data: dict[str, Any], html: Path | None) -> None:
    def line(name: str, value: object) -> None:
        if value not in (None, "", [], {}):
            console.print(f"{name:<16} {value}", markup=False)

    scores, counted = data["scores"], data["data"] or {}
    line("version", f"{data['version']} ({status_word(data['status'])}), model {data['model_version']}")
    line("live", ", ".join(data["live"]) or "nowhere")
    approved = data["approved_by"] and f"{data['approved_by']} at {data['approved_at']}: {data['reason']}"
    line("approved by", approved)
    line("registered", data["registered"])
    line("network", f"{data['architecture']}, {data['classes']} classes")
    line("data", f"{data['data_sha256']}, {_counts(counted)}")
    line("code", data["code_sha256"])
    line("accuracy", _with_bounds(scores.get("accuracy"), data["accuracy_95"], scores.get("samples")))
    line("macro-F1", _number(scores.get("macro_f1")))
    line("calibration", _calibration(data))
    line("8 bits", _int8(data["int8"]))
    line("hyperparameters", ", ".join(f"{name}={value}" for name, value in (data["hyperparameters"] or {}).items()))
    line("run", data["lineage"].get("run"))
    for name, value in (data["lineage"].get("parameters") or {}).items():
        line(f"  {name}", value)
    for name, value in (data["lineage"].get("jobs") or {}).items():
        line(f"  {name}", value)
    line("artefact", data["lineage"]["artefact"])
    if data["per_class"]:
        console.print()
        console.print(_classes(data["per_class"]))
    _mistakes(console, data["mistakes"])
    if html:
        console.print(f"\nThe card as a page: {html}", markup=False)


def _classes(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    for heading in ("pictures", "precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    for label, one in found.items():
        table.add_row(Text(label), str(one["samples"]), *(_number(one[name]) for name in ("precision", "recall", "f1")))
    return table


def _mistakes(console: Console, found: list[dict[str, Any]]) -> None:
    if not found:
        return
    console.print("\nTaken for something else, most often first")
    for one in found[:SHOWN_MISTAKES]:
        console.print(f"  {one['pictures']:>4}  {one['is']} called {one['called']}", markup=False)
    if len(found) > SHOWN_MISTAKES:
        console.print(f"  and {len(found) - SHOWN_MISTAKES} more kinds; --json has all of them")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _with_bounds(value: float | None, bounds: list[float] | None, samples: int | None) -> str | None:
    if value is None:
        return None
    within = f" (95 %: {bounds[0]:.4f} to {bounds[1]:.4f})" if bounds else ""
    return f"{value:.4f}{within} of {samples} test pictures"


def _calibration(data: dict[str, Any]) -> str | None:
    error, before = data["scores"].get("calibration_error"), (data["uncalibrated"] or {}).get("calibration_error")
    if error is None:
        return None
    told = f", {before:.4f} without" if before is not None else ""
    return f"error {error:.4f} with temperature {data['temperature']:.4g}{told}"


def _int8(verdict: dict[str, Any] | None) -> str | None:
    if verdict is None:
        return None
    if not verdict.get("kept"):
        return f"none: {verdict.get('reason')}"
    both = f"{verdict['accuracy']:.4f} against {verdict['fp32_accuracy']:.4f}"
    return f"kept: accuracy {both} on the {verdict['split']} split"


def _counts(data: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items() if isinstance(value, int))
