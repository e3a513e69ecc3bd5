"""How much of each quota a stage takes at its largest, by its stage file alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from config import StageConfig
from config.instances import family
from config.sections.serving import Serving

ENDPOINT, TRAINING, SPOT_TRAINING = "endpoint usage", "training job usage", "spot training job usage"
PROCESSING, TRANSFORM, NOTEBOOK = "processing job usage", "transform job usage", "notebook instance usage"
# EC2 counts vCPUs, by the first letters of the family: (on demand, spot).
_VCPU_CODES = {
    "standard": ("L-1216C47A", "L-34B43A08"),
    "g": ("L-DB2E81BA", "L-3819A6DF"),
    "p": ("L-417A185B", "L-7212CCBC"),
}


@dataclass(frozen=True)
class Need:
    """Instances of one type at one time, as SageMaker's quotas count them."""

    kind: str
    usage: str
    count: int
    why: str

    @property
    def quota(self) -> str:
        return f"{self.kind} for {self.usage}"


def needs_of(config: StageConfig) -> list[Need]:
    return [*_hosting(config.serving), *_jobs(config), *_notebook(config)]


def _hosting(serving: Serving) -> Iterator[Need]:
    if serving.mode == "serverless":
        return
    most = serving.scaling.max_instances if serving.scaling.enabled else None
    fleets = [(serving.instance_type, most or serving.instance_count)]
    fleets += [(one.instance_type or serving.instance_type, most or one.instance_count) for one in serving.variants]
    if serving.shadow is not None:
        fleets.append((serving.shadow.instance_type or serving.instance_type, serving.shadow.instance_count))
    doubled = _doubles(serving)
    counts: Counter[str] = Counter()
    for kind, count in fleets:
        counts[kind] += count * (2 if doubled else 1)
    why = "both fleets of an update, at most" if doubled else "the fleet at its largest"
    for kind, count in counts.items():
        yield Need(kind, ENDPOINT, count, why)


def _doubles(serving: Serving) -> bool:
    """Any update but a rolling one starts the new fleet beside the old, whole."""
    return serving.rollout is None or serving.rollout.kind != "rolling"


def _jobs(config: StageConfig) -> Iterator[Need]:
    training = config.training
    usage = SPOT_TRAINING if training.spot else TRAINING
    # Trials come before the final training, never beside it.
    counts: dict[str, int] = {training.instance_type: training.instance_count}
    tuning = training.tuning
    counts[tuning.instance_type] = max(counts.get(tuning.instance_type, 0), min(tuning.parallel, tuning.jobs))
    for kind, count in counts.items():
        yield Need(kind, usage, count, "trials at once, or the training's instances")
    yield Need(training.processing.instance_type, PROCESSING, 1, "preparing and evaluating, one after the other")
    if config.serving.batch and config.serving.mode != "serverless":
        yield Need(config.serving.instance_type, TRANSFORM, 1, "a batch transform job")


def _notebook(config: StageConfig) -> Iterator[Need]:
    notebook = config.workbench.notebook
    if notebook.enabled:
        yield Need(notebook.instance_type, NOTEBOOK, 1, "the notebook")


def vcpu_quota(instance_type: str, market: str) -> str:
    """The code of the quota that counts this type's vCPUs."""
    own = family(instance_type)
    group = "g" if own.startswith(("g", "vt")) else "p" if own.startswith("p") else "standard"
    return _VCPU_CODES[group][1 if market == "spot" else 0]
