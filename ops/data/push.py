"""A data set's way into a stage's bucket: what is wrong there goes, what is missing comes, and the manifest comes last.

The manifest starts the pipeline, so that it is there exactly while all of its set is: it goes before anything changes
and comes back when S3 has confirmed every picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ops.data.dataset import MANIFEST, DataSet, Picture
from ops.data.shelf import Shelf, Thing
from ops.data.transfer import Sent, Transfer, Way
from ops.errors import OperatorError, Refused


@dataclass(frozen=True)
class Plan:
    """What a push would do, from a listing of the bucket alone."""

    deleted: tuple[str, ...]
    """Keys that another set left under the name."""
    doubted: frozenset[str]
    """Keys under which something of the right size lies."""
    sealed: bool
    """A manifest is there, of whatever set."""
    nothing_to_do: bool
    """The manifest of just this set is there, and everything since before it."""


@dataclass(frozen=True)
class Pushed:
    """What a push has done."""

    sent: int
    sent_bytes: int
    there: int
    deleted: int
    manifest_written: bool


def plan(shelf: Shelf, dataset: DataSet) -> Plan:
    listed = shelf.listed()
    wanted = {picture.key: picture for picture in dataset.pictures}
    stale = tuple(sorted(listed.keys() - wanted.keys() - {MANIFEST}))
    doubted = frozenset(key for key, found in listed.items() if key in wanted and wanted[key].size == found.size)
    done = not stale and len(doubted) == len(wanted) and _is_sealed(shelf, dataset, listed)
    return Plan(stale, doubted, MANIFEST in listed, done)


def _is_sealed(shelf: Shelf, dataset: DataSet, listed: dict[str, Thing]) -> bool:
    seal = listed.get(MANIFEST)
    if seal is None or any(found.since > seal.since for found in listed.values()):
        return False
    return shelf.manifest() == dataset.manifest


def refuse_another_set(shelf: Shelf, dataset: DataSet, found: Plan) -> None:
    """A set that has changed is pushed; a set that is none of this one's pictures was hardly meant to go."""
    kept = len(dataset.pictures) if found.nothing_to_do else len(found.doubted)
    if len(found.deleted) > kept:
        raise Refused(
            f"{shelf.address} holds another set: {len(found.deleted)} of its pictures are not in this one. Choose "
            "another --name, or let it go with --replace."
        )


def push(way: Way, dataset: DataSet, found: Plan, tell: Callable[[int, int], None]) -> Pushed:
    if found.nothing_to_do:
        return Pushed(0, 0, len(dataset.pictures), 0, manifest_written=False)
    if found.sealed:
        way.shelf.delete([MANIFEST])
    way.shelf.delete(found.deleted)
    sent = Sent(tell)
    Transfer(way, sent).send(list(dataset.pictures), found.doubted, _uploads(way, dataset))
    _see_it_whole(way.shelf, dataset)
    way.shelf.write_manifest(dataset.manifest)
    return Pushed(sent.files, sent.bytes, sent.there, len(found.deleted), manifest_written=True)


def missing(way: Way, dataset: DataSet, found: Plan) -> list[Picture]:
    """What a push would send; nothing is changed."""
    if found.nothing_to_do:
        return []
    return Transfer(way, Sent(lambda files, size: None)).missing(list(dataset.pictures), found.doubted)


def _uploads(way: Way, dataset: DataSet) -> dict[str, list[str]]:
    """Uploads in parts that go on; what else was begun here and never ended is taken away, since its parts cost."""
    large = {picture.key for picture in dataset.pictures if picture.size > way.pace.part_bytes}
    found = way.shelf.uploads()
    for key, ids in found.items():
        for upload in ids if key not in large else ids[1:]:
            way.shelf.abort(key, upload)
    return {key: ids[:1] for key, ids in found.items() if key in large}


def _see_it_whole(shelf: Shelf, dataset: DataSet) -> None:
    """Two pushes to one name at once would make a set of neither."""
    there = {key: found.size for key, found in shelf.listed().items()}
    if there != {picture.key: picture.size for picture in dataset.pictures}:
        raise OperatorError(
            f"Somebody else has changed {shelf.address} meanwhile, and no manifest was written: run the same command "
            "again when nobody does."
        )
