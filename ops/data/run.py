"""What `ops data push|check|status` do, one after the other."""

import argparse
import time
from dataclasses import asdict
from typing import Any

from ops.console import Steps, answer
from ops.data import show
from ops.data.check import Terms, check, look
from ops.data.dataset import DataSet
from ops.data.listing import Outcomes, listed
from ops.data.names import name_of
from ops.data.progress import Progress
from ops.data.push import Plan, Pushed, missing, plan, push, refuse_another_set
from ops.data.shelf import Shelf
from ops.data.source import folder_of
from ops.data.transfer import Pace, Way
from ops.data.wire import Wire
from ops.errors import Refused
from ops.printable import tell
from ops.stage import Stage
from ops.training_run import Runs


def run_check(arguments: argparse.Namespace) -> int:
    """Everything that is wrong, also with a set that is refused."""
    name = name_of(arguments.source, arguments.name)
    looked = look(folder_of(arguments.source), name, _terms(arguments))
    dataset = looked.dataset
    if dataset is not None:
        return answer(arguments, _described(dataset), lambda console: show.dataset(dataset, console))
    tell(f"{looked.refused}.")
    data = {"error": f"{looked.refused}.", "status": Refused.status, "left_out": looked.left_out}
    answer(arguments, data, lambda console: show.faults(looked.left_out, "left out", console))
    return Refused.status


def run_push(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    name = name_of(arguments.source, arguments.name)
    # Before minutes of looking at pictures: whether there is anywhere to put them.
    stage = Stage.open(arguments.stage, arguments.stages)
    way = way_to(stage, name)
    steps = Steps()
    dataset = check(folder_of(arguments.source), name, _terms(arguments))
    steps.done("Look at every picture", round(time.monotonic() - began, 2), f"{len(dataset.pictures)} can be used")
    found = plan(way.shelf, dataset)
    if not arguments.replace:
        refuse_another_set(way.shelf, dataset, found)
    data: dict[str, Any] = {"address": way.shelf.address, **_described(dataset), "dry_run": arguments.dry_run}
    if arguments.dry_run:
        would = missing(way, dataset, found)
        size = sum(picture.size for picture in would)
        data |= {"would_send": len(would), "would_send_bytes": size, "would_delete": len(found.deleted)}
        return answer(arguments, data, lambda console: show.dry_run(dataset, found, would, console))
    pushed = _push(way, dataset, found, steps)
    starts = stage.config.training.start_on_new_data and stage.find("training") is not None
    data |= {**asdict(pushed), "starts_pipeline": starts and pushed.manifest_written, "last_run": None}
    if stage.find("training") is not None and not pushed.manifest_written:
        last = next(iter(Runs.of_stage(stage).of(name)), None)
        data["last_run"] = {"run": last.id, "status": last.status} if last else None
        data["to_train"] = f"python -m ops pipeline run --data {name} --stage {stage.name}"
    return answer(arguments, data, lambda console: show.pushed(dataset, pushed, data, console))


def run_status(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    bucket = stage.output("data", "BucketName")
    outcomes = Outcomes.of(Runs.of_stage(stage)) if stage.find("training") else None
    found = listed(stage.client("s3"), bucket, outcomes)
    return answer(
        arguments,
        {"bucket": bucket, "sets": [asdict(one) for one in found]},
        lambda console: show.sets(bucket, found, console),
    )


def way_to(stage: Stage, name: str) -> Way:
    bucket, s3, pace = stage.output("data", "BucketName"), stage.client("s3"), Pace()
    wire = Wire(s3, bucket, stage.account.credentials(), trusted=stage.account.trusted, connections=pace.connections)
    return Way(wire, Shelf(s3, bucket, f"dataset/{name}"), pace)


def _push(way: Way, dataset: DataSet, found: Plan, steps: Steps) -> Pushed:
    began = time.monotonic()
    try:
        with Progress("push", total_bytes=dataset.size, files=len(dataset.pictures)) as progress:
            pushed = push(way, dataset, found, progress.tell)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Interrupted: {progress.files} of {len(dataset.pictures)} pictures are in {way.shelf.address}. The same "
            "command goes on from there. The manifest is not, so that no run has started."
        ) from None
    steps.done("Push what is missing", round(time.monotonic() - began, 2), f"{pushed.sent} pictures sent")
    return pushed


def _terms(arguments: argparse.Namespace) -> Terms:
    return Terms(
        split=arguments.split,
        seed=arguments.seed,
        on_bad_image=arguments.on_bad_image,
        on_duplicate=arguments.on_duplicate,
    )


def _described(dataset: DataSet) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "pictures": len(dataset.pictures),
        "bytes": dataset.size,
        "splits": dataset.splits,
        "labels": dataset.labels,
        "split_here": not dataset.was_split,
        "sha256": dataset.sha256,
        "left_out": dict(dataset.left_out),
        "duplicates": dict(dataset.duplicates),
        "traits": dict(dataset.traits),
    }
