"""What there is to say of data sets, for a person."""

from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ops.data.dataset import SPLITS, DataSet, Picture
from ops.data.listing import UNSPLIT, Listed
from ops.data.push import Plan, Pushed

SHOWN = 10
SHA_SHOWN = 12


def dataset(found: DataSet, console: Console) -> None:
    faults(found.left_out, "left out", console)
    faults(found.duplicates, "in two splits", console)
    for trait, names in found.traits.items():
        console.print(f"note: {len(names)} {trait}: {', '.join(names[:SHOWN])}{_more(len(names))}", markup=False)
    splits = ", ".join(f"{count} {split}" for split, count in found.splits.items())
    made = "" if found.was_split else " (split here: by content, each class apart)"
    console.print(
        f"{found.name}: {len(found.pictures)} pictures of {len(found.labels)} classes, {decimal(found.size)}; "
        f"{splits}{made}",
        markup=False,
    )


def faults(found: Mapping[str, str], what: str, console: Console) -> None:
    for name, why in found.items():
        console.print(f"{what}: {name} {why}", markup=False)


def dry_run(found: DataSet, plan: Plan, would: list[Picture], console: Console) -> None:
    dataset(found, console)
    for key in plan.deleted[:SHOWN]:
        console.print(f"would delete: {key}", markup=False)
    size = sum(picture.size for picture in would)
    console.print(
        f"A push would send {len(would)} pictures ({decimal(size)}), leave {len(found.pictures) - len(would)} that are "
        f"there, and delete {len(plan.deleted)}. Nothing was changed."
    )


def pushed(found: DataSet, done: Pushed, data: Mapping[str, Any], console: Console) -> None:
    dataset(found, console)
    if not done.manifest_written:
        console.print(f"All of it is in {data['address']} already, and nothing was sent.", markup=False)
        if data.get("to_train"):
            last = data["last_run"]
            said = f"Its last run, {last['run']}, is {last['status']}." if last else "No run has been on it yet."
            console.print(f"{said} To train on it once more: `{data['to_train']}`.", markup=False)
        return
    deleted = f", {done.deleted} of another set deleted" if done.deleted else ""
    console.print(
        f"{done.sent} sent ({decimal(done.sent_bytes)}), {done.there} were there{deleted}: {data['address']}",
        markup=False,
    )
    if data["starts_pipeline"]:
        console.print("The manifest starts the pipeline, unless it has done so before: `python -m ops data status`.")


def sets(bucket: str, found: list[Listed], console: Console) -> None:
    if not found:
        console.print(f"There is no data set in {bucket}: push one with `python -m ops data push DIR`.", markup=False)
        return
    console.print(f"Data sets in {bucket}", markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "pictures", "classes", "size", "state", "run", "model"):
        justify: Literal["left", "right"] = "right" if heading in {"pictures", "classes", "size"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for one in found:
        splits = "/".join(str(one.splits.get(name, 0)) for name in SPLITS)
        table.add_row(
            Text(f"{one.name}\n  {(one.sha256 or 'no manifest')[:SHA_SHOWN]}"),
            f"{one.pictures}\n{'not split' if UNSPLIT in one.splits else splits}",
            str(one.classes),
            decimal(one.bytes),
            one.state,
            one.run_status or "-",
            one.model_version or "-",
        )
    console.print(table)
    if any(not one.complete for one in found):
        console.print("Where pictures or the manifest are missing, a push has not ended: the same command goes on.")


def _more(count: int) -> str:
    return f" and {count - SHOWN} more" if count > SHOWN else ""
