"""From an event to a run of the pipeline, one way only: nothing that a run writes counts as an arrival."""

from .access import Datasets, Pipeline
from .arrival import read_event
from .manifest import read_manifest

TOKEN_SHOWN = 8


class Intake:
    def __init__(self, *, bucket: str, datasets: Datasets, pipeline: Pipeline) -> None:
        self._bucket, self._datasets, self._pipeline = bucket, datasets, pipeline

    def take(self, event: object) -> dict[str, str]:
        """Start the run that belongs to this arrival; a refusal is raised before anything is started."""
        arrival = read_event(event, self._bucket)
        manifest = read_manifest(self._datasets.read(arrival.key), arrival.key)
        run = self._pipeline.start(
            prefix=arrival.prefix,
            display_name=f"{arrival.name}-{arrival.token[:TOKEN_SHOWN]}",
            token=arrival.token,
        )
        return {"dataset": arrival.name, "pictures": str(manifest.pictures), "sha256": manifest.sha256, "run": run}
