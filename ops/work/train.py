"""`ops train`: a training job as the deployed pipeline makes it, followed to its end."""

import argparse
from typing import Any

from rich.console import Console

from ops.console import answer
from ops.errors import OperatorError
from ops.prices import Prices, dollars
from ops.stage import Stage
from ops.work import datasets
from ops.work.definition import Definition
from ops.work.following import follow
from ops.work.jobs import TRAINING, Job
from ops.work.preparing import ready
from ops.work.requests import new_name, training, validated
from ops.work.screen import Screen
from ops.work.wishes import Wish, checked

# SageMaker's client, made at run time; a request or an answer.
Client = Any
Json = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    refuse_local(arguments)
    stage = Stage.open(arguments.stage, arguments.stages)
    name, request = asked(stage, arguments)
    if arguments.dry_run:
        return answer(arguments, request, lambda console: console.print_json(data=request, default=str))
    sagemaker = stage.client("sagemaker")
    sagemaker.create_training_job(**request)
    if arguments.detach:
        return answer(arguments, {"name": name, "status": "InProgress"}, lambda console: console.print(name))
    job = follow(stage, TRAINING, name)
    return answer(arguments, outcome(job, stage.prices), lambda console: show(job, stage, console))


def refuse_local(arguments: argparse.Namespace) -> None:
    """Words that only a training here heeds."""
    for word, value in (("--weights", arguments.weights), ("--out", arguments.out)):
        if value is not None:
            raise OperatorError(f"{word} goes with --local alone: elsewhere the stage file and the bucket decide.")


def asked(stage: Stage, arguments: argparse.Namespace) -> tuple[str, Json]:
    """The job's name, and what SageMaker is asked for."""
    wish, screen = Wish.told(arguments), Screen("")
    config, warnings = checked(stage, wish)
    for warning in warnings:
        screen.note(f"Warning: {warning}")
    sagemaker = stage.client("sagemaker")
    definition = Definition.deployed(sagemaker, stage.output("training", "PipelineName"))
    data = datasets.chosen(stage, arguments.data)
    prepared = ready(stage, definition, data, wish, screen.note, is_rehearsal=arguments.dry_run)
    tuning = arguments.tuned or prepared.tuning
    tuned = tuned_by(sagemaker, tuning) if tuning else {}
    told_of_tuning(screen, tuning, tuned)
    name = new_name(stage.names.own_jobs, "train")
    request = training(definition, name, prepared, config=config, wish=wish, tuned=tuned)
    return name, validated(sagemaker, "CreateTrainingJob", request)


def tuned_by(sagemaker: Client, tuning: str) -> dict[str, str]:
    """What the best trial had, by flag; nothing where no trial ended well."""
    found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    return dict(found.get("BestTrainingJob", {}).get("TunedHyperParameters", {}))


def told_of_tuning(screen: Screen, tuning: str | None, tuned: dict[str, str]) -> None:
    if tuned:
        found = ", ".join(f"{flag} = {value}" for flag, value in tuned.items())
        screen.note(f"As the tuning job {tuning} found best: {found}")


def outcome(job: Job, prices: Prices) -> Json:
    """What a finished job comes to, as `--json` says it."""
    instances = job.instances or ("", 0)
    return {
        "name": job.name,
        "kind": job.kind.noun,
        "status": job.status,
        "instance_type": instances[0],
        "instance_count": instances[1],
        "spot": bool(job.document.get("EnableManagedSpotTraining")),
        "metrics": job.metrics,
        "wall_seconds": round(job.wall_seconds, 1),
        "billed_seconds": job.billed_seconds,
        "dollars": job.dollars(prices),
        "prices": prices.source,
        "model": job.document.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
    }


def show(job: Job, stage: Stage, console: Console) -> None:
    found = job.metrics
    shown = [
        f"{label} {found[name]:.4f}"
        for name, label in (
            ("test_accuracy", "test accuracy"),
            ("test_macro_f1", "macro-F1"),
            ("best_valid_accuracy", "validation accuracy"),
        )
        if name in found
    ]
    kind, count = job.instances or ("", 0)
    console.print(f"{job.name}: {', '.join(shown) or 'it printed no metrics'}")
    billed = f"{job.billed_seconds:.0f} s billed" if job.billed_seconds is not None else "nothing billed yet"
    price = dollars(job.dollars(stage.prices), 4)
    console.print(f"{job.wall_seconds:.0f} s on {count} x {kind}, {billed}, {price} USD")
    console.print(stage.prices.source, markup=False)
    if model := job.document.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        console.print(f"Its model: {model}")
