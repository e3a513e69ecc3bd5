"""`python -m ops batch`: pictures by the thousand through a transform job, and a file of what they show."""

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from ops import spreadsheet
from ops.asking.transform import Batches, Result
from ops.console import Steps, answer
from ops.errors import OperatorError, WorkFailed
from ops.printable import tell
from ops.stage import Stage
from ops.work.following import left_running
from ops.work.jobs import ENDED, TRANSFORM
from ops.work.logs import JobLog, last_words

SHOWN_FAILURES = 10


def run(arguments: argparse.Namespace) -> int:
    stage, steps = Stage.open(arguments.stage, arguments.stages), Steps()
    if not stage.config.serving.batch:
        raise OperatorError(f"serving.batch = false in stage {stage.name}: set it to true and deploy, then try again.")
    batches = Batches(stage)
    if arguments.out:
        refuse_unwritable(arguments.out)
    job = arguments.job or _started(arguments, batches, steps)
    with left_running(stage, job, f"python -m ops batch --job {job}"):
        ended = _followed(batches, job, steps)
    results = sorted(batches.results(ended), key=lambda one: one.file)
    out = arguments.out or Path(f"{job}.csv")
    write(out, results)
    wrong = [one for one in results if one.error]
    status = ended["TransformJobStatus"]
    data = {
        "job": job,
        "status": status,
        "reason": ended.get("FailureReason"),
        "files": len(results),
        "failed": [asdict(one) for one in wrong],
        "results": str(out),
        "answers": [asdict(one) for one in results if not one.error],
    }
    if status != "Completed":
        data["error"] = f"The job {job} ended as {status}: {ended.get('FailureReason', 'it says no reason')}"
        words = last_words(JobLog(stage.client("logs"), TRANSFORM.log, job))
        tell(f"{data['error']}\n{words}")
    answer(arguments, data, lambda console: show(console, data, wrong))
    return WorkFailed.status if wrong or status != "Completed" else 0


def refuse_unwritable(path: Path) -> None:
    """Before a job is paid for whose results would have nowhere to go."""
    if not path.parent.is_dir() or path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OperatorError(f"{path} cannot be written: name another file with --out.")


def _started(arguments: argparse.Namespace, batches: Batches, steps: Steps) -> str:
    refused: list[Result] = []
    if not arguments.what:
        raise OperatorError("Name a folder or a prefix to predict, or a job to return to with --job.")
    folder = Path(arguments.what)
    if folder.is_dir():
        with steps.step("Upload the pictures") as remark:
            prefix, refused = batches.upload(folder, steps.progress("pictures"))
            remark.text = f"s3://{batches.bucket}/{prefix}"
    else:
        prefix = batches.prefix_of(arguments.what)
    with steps.step("Start the job") as remark:
        job = batches.start(prefix, refused, instance_type=arguments.instance_type, instances=arguments.instances)
        remark.text = job
    return job


def _followed(batches: Batches, job: str, steps: Steps) -> dict[str, Any]:
    with steps.step("Predict") as remark:
        show = steps.progress("answers")
        while True:
            found = batches.described(job)
            if found["TransformJobStatus"] in ENDED:
                remark.text = f"{batches.done(found)} answers, {found['TransformJobStatus']}"
                return found
            show(batches.done(found))
            time.sleep(batches.stage.account.poll_seconds)


def write(path: Path, results: list[Result]) -> None:
    """JSON Lines where the name ends so, else CSV."""
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            if path.suffix in (".jsonl", ".ndjson"):
                out.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in results)
                return
            heading = ["file", "label", "probability", "model_version", "error"]
            rows = ([one.file, one.label, one.probability, one.model_version, one.error] for one in results)
            spreadsheet.write(out, heading, rows)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror}): name another with --out.") from None


def show(console: Console, data: dict[str, Any], wrong: list[Result]) -> None:
    counts: dict[str, int] = {}
    for one in data["answers"]:
        counts[one["label"]] = counts.get(one["label"], 0) + 1
    for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_FAILURES]:
        console.print(f"{count:>7}  {label}", markup=False)
    if len(counts) > SHOWN_FAILURES:
        console.print(f"         and {len(counts) - SHOWN_FAILURES} labels more")
    if wrong:
        console.print(f"\n{len(wrong)} of {data['files']} files have no label:")
        for failed in wrong[:SHOWN_FAILURES]:
            console.print(f"  {failed.file}: {failed.error}", markup=False)
    console.print(f"\nAll {data['files']} files, with label and probability: {data['results']}", markup=False)
