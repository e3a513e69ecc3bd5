"""From an event to what comes of it, one way only: nothing that a run writes counts as an arrival."""

import hashlib
from collections.abc import Callable
from typing import Any

from .access import Datasets, Pipeline
from .arrival import Arrival, read_event, read_kept
from .manifest import Manifest, read_manifest
from .pictures import fault_of
from .refusal import Refusal

TOKEN_SHOWN = 8
Record = dict[str, str]


class Intake:
    """`write_log` takes one record for each object."""

    def __init__(
        self, *, bucket: str, datasets: Datasets, pipeline: Pipeline, write_log: Callable[[Record], None]
    ) -> None:
        self._bucket, self._datasets, self._pipeline, self._write_log = bucket, datasets, pipeline, write_log

    def take(self, event: object) -> dict[str, Any]:
        """What came of an event; raises what stands in its way once everything else in it is done.

        Of events that come back from the queue it answers which stay there.
        """
        kept = read_kept(event)
        if kept is None:
            return {"taken": self._take_all(event)}
        failed = []
        for one in kept:
            try:
                self._take_all(one.event)
            except Exception as error:
                self._write_log({"message": one.id, "outcome": "kept", "reason": f"{type(error).__name__}: {error}"})
                failed.append({"itemIdentifier": one.id})
        return {"batchItemFailures": failed}

    def _take_all(self, event: object) -> list[Record]:
        taken: list[Record] = []
        refusal: Refusal | None = None
        for arrival in read_event(event, self._bucket):
            try:
                if isinstance(arrival, Refusal):
                    raise arrival
                taken.append(self._take(arrival))
            except Refusal as found:
                place = {} if isinstance(arrival, Refusal) else {"bucket": arrival.bucket, "key": arrival.key}
                self._write_log({**place, "outcome": "refused", "reason": str(found)})
                refusal = refusal or found
        if refusal:
            raise refusal
        return taken

    def _take(self, arrival: Arrival) -> Record:
        found = self._start(arrival) if arrival.is_manifest else self._check(arrival)
        record = {"bucket": arrival.bucket, "key": arrival.key, "dataset": arrival.name, **found}
        self._write_log(record)
        return record

    def _check(self, arrival: Arrival) -> Record:
        head = self._datasets.head(arrival)
        if head is None:
            return {"outcome": "gone"}
        fault = fault_of(arrival.key, head)
        if fault is None:
            return {"outcome": "picture"}
        self._datasets.tag(arrival, fault)
        return {"outcome": "tagged", "reason": fault}

    def _start(self, arrival: Arrival) -> Record:
        content = self._datasets.manifest(arrival)
        manifest = read_manifest(content, arrival.key)
        self._refuse_incomplete(arrival, manifest)
        # The same set has the same token however often its events come, in whatever order, so that it starts one run.
        token = hashlib.sha256(b"\n".join((arrival.bucket.encode(), arrival.key.encode(), content))).hexdigest()
        run = self._pipeline.start(
            prefix=arrival.prefix, display_name=f"{arrival.name}-{token[:TOKEN_SHOWN]}", token=token
        )
        return {"outcome": "started", "pictures": str(manifest.pictures), "sha256": manifest.sha256, "run": run}

    def _refuse_incomplete(self, arrival: Arrival, manifest: Manifest) -> None:
        there = self._datasets.count(arrival.prefix, manifest.pictures)
        if there < manifest.pictures:
            raise Refusal(
                f"{arrival.key} promises {manifest.pictures} pictures, and {there} files are there; push the rest, and "
                "then it again."
            )
