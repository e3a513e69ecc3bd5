"""All versions of the registry with their scores and hashes, who approved them, and which is live where."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.console import answer
from ops.errors import OperatorError
from ops.models.card import Card, Gone, read_card
from ops.models.live import STARTER, Live, Past, artifact_of, live, model_url, past
from ops.models.registry import APPROVED, PENDING, Registry, Version
from ops.stage import Stage

HASH_SHOWN = 7
AT_ONCE = 4
STATUS = {PENDING: "pending"}


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    registry = Registry(stage.client("sagemaker"), stage.output("training", "ModelGroupName"))
    versions, serving = registry.versions(), live(stage)
    s3 = stage.client("s3")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        cards = list(pool.map(lambda one: _card(s3, one), versions))
    places = places_of(stage, serving)
    rows = [
        {**row(version, card, places), "fault": fault} for version, (card, fault) in zip(versions, cards, strict=True)
    ]
    known = {one.artifact for one in versions}
    strangers = {artifact: where for artifact, where in places.items() if artifact not in known}
    entries = past(stage)
    data = {
        "versions": rows,
        "unregistered": strangers,
        "endpoint": {"name": serving.endpoint, "status": serving.status},
        "history": [asdict(one) for one in entries],
    }
    return answer(
        arguments, data, lambda console: show(console, stage, rows, strangers, serving=serving, entries=entries)
    )


def _card(s3: Any, version: Version) -> tuple[Card | None, str | None]:  # noqa: ANN401 - boto3 makes its clients at run time
    """No card where the artefact is gone, of which the registry still knows; what is wrong where it is damaged."""
    try:
        return read_card(s3, version.url, version.evaluation_url), None
    except Gone:
        return None, None
    except OperatorError as error:
        return None, str(error)


def places_of(stage: Stage, serving: Live) -> dict[str, list[str]]:
    """Artefact -> where it is used."""
    found: dict[str, list[str]] = {}
    several = len([one for one in serving.variants if not one.shadow]) > 1
    for one in serving.variants:
        share = f" {one.share:.0%}" if several and not one.shadow else ""
        found.setdefault(one.artifact, []).append(f"{one.variant}{share}")
    batch = stage.outputs("serving").get("BatchModelName")
    if batch:
        url = model_url(stage.client("sagemaker"), batch)
        found.setdefault(artifact_of(url, stage.output("data", "BucketName")), []).append("batch")
    return found


def status_word(status: str) -> str:
    """As a person says it; --json has SageMaker's own."""
    return STATUS.get(status, status.lower())


def row(version: Version, card: Card | None, places: dict[str, list[str]]) -> dict[str, Any]:
    scores = card.scores if card else {}
    return {
        "version": version.number,
        "status": version.status,
        "accuracy": scores.get("accuracy"),
        "macro_f1": scores.get("macro_f1"),
        "samples": scores.get("samples"),
        "classes": len(card.labels) if card else None,
        "data_sha256": card.data_sha256 if card else None,
        "code_sha256": card.code_sha256 if card else None,
        "registered": version.registered,
        "run": version.run or None,
        "artifact": version.artifact,
        "approved_by": version.approved_by or None,
        "approved_at": version.approved_at or None,
        "reason": version.reason or None,
        "live": places.get(version.artifact, []),
    }


def show(
    console: Console,
    stage: Stage,
    rows: list[dict[str, Any]],
    strangers: dict[str, list[str]],
    *,
    serving: Live,
    entries: list[Past],
) -> None:
    console.print(f"Endpoint {serving.endpoint} is {serving.status}.")
    for artifact, where in strangers.items():
        named = "The starter model" if artifact == STARTER else f"{artifact}, which the registry does not know,"
        console.print(f"{named} is live: {', '.join(where)}.", markup=False)
    if rows:
        console.print(_table(rows))
    else:
        console.print("No version is registered yet: `python -m ops pipeline run` trains and registers one.")
    for one in rows:
        if one["fault"]:
            console.print(f"{one['version']} is damaged: {one['fault']}", markup=False)
        if one["status"] != PENDING:
            word = "approved" if one["status"] == APPROVED else "rejected"
            by = (
                f" by {one['approved_by']} at {one['approved_at']}" if word == "approved" and one["approved_by"] else ""
            )
            console.print(f"{one['version']} {word}{by}: {one['reason'] or 'no reason said'}", markup=False)
    told = [f"{one.version} since {one.since}" for one in entries[:5]]
    for number, line in enumerate(told):
        console.print(f"{f'Live in stage {stage.name}:' if number == 0 else 'before:'} {line}", markup=False)


def _table(rows: list[dict[str, Any]]) -> Table:
    # Narrow, so that it fits a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("version", "status", "accuracy", "macro-F1", "data", "code", "registered", "live"):
        number = heading in {"version", "accuracy", "macro-F1"}
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading != "live", overflow="fold")
    for one in rows:
        missing = "damaged" if one["fault"] else "gone"
        table.add_row(
            str(one["version"]),
            status_word(one["status"]),
            scored(one["accuracy"]),
            scored(one["macro_f1"]),
            (one["data_sha256"] or missing)[:HASH_SHOWN],
            (one["code_sha256"] or missing)[:HASH_SHOWN],
            one["registered"][:10],
            ", ".join(one["live"]),
        )
    return table


def scored(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
