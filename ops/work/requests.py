"""What SageMaker is asked for: a step's own arguments, with what the operator wants otherwise in them."""

import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.validate import ParamValidator

from config import StageConfig
from config.instances import has_gpu
from config.registries import training_image
from ops.errors import OperatorError
from ops.work.datasets import DataSet
from ops.work.definition import DATASET, FEATURES, PREPARED, RUN_ID, TUNED, Definition
from ops.work.prepared import Prepared
from ops.work.wishes import Wish, flag

# SageMaker's client, made at run time; a request.
Client = Any
Json = dict[str, Any]
LONGEST_NAME, LONGEST_TUNING_NAME = 63, 32
LETTERS = string.ascii_lowercase + string.digits


def new_name(own_jobs: str, kind: str, longest: int = LONGEST_NAME) -> str:
    """Begins with `Names.own_jobs`, as far as there is room, and tells kind and time."""
    told = f"{kind}-{datetime.now(UTC):%m%d-%H%M%S}{''.join(secrets.choice(LETTERS) for _ in range(2))}"
    return bounded(own_jobs, told, longest=longest)


def bounded(own_jobs: str, tail: str, *, longest: int = LONGEST_NAME, spare: int = 0) -> str:
    """The beginning gives way: `tail` tells one job from another, and `spare` is left for what follows."""
    head = own_jobs[: longest - spare - len(tail)]
    return f"{head}{tail}" if head == own_jobs else f"{head[:-1].rstrip('-')}-{tail}"


def preparing(definition: Definition, name: str, data: DataSet) -> Json:
    known = {RUN_ID: name, DATASET: data.prefix}
    return {"ProcessingJobName": name, **definition.arguments("Prepare", known)}


def training(
    definition: Definition,
    name: str,
    prepared: Prepared,
    *,
    config: StageConfig,
    wish: Wish,
    tuned: Mapping[str, str],
) -> Json:
    """`tuned`: what a tuning found; where it found nothing, the stage file's value stands."""
    known = {**_places(name, prepared), **_varied(config, tuned)}
    found = {"TrainingJobName": name, **definition.arguments("Train", known)}
    _leave_out_features(found, prepared)
    found["HyperParameters"] |= wish.flags
    if wish.instances is not None:
        found["ResourceConfig"]["InstanceCount"] = wish.instances
    _place(found, config, wish)
    return found


def computing_features(definition: Definition, name: str, prepared: Prepared) -> Json:
    return {"ProcessingJobName": name, **definition.arguments("Features", _places(name, prepared))}


def needs_features(definition: Definition, wish: Wish) -> bool:
    """Whether the pipeline computes features that are those of the network that is asked for."""
    has = any(step["Name"] == "Features" for step in definition.steps)
    return has and not of_features(definition) & set(wish.flags)


def of_features(definition: Definition) -> set[str]:
    """The flags that features depend on, and the one that says whether any are used."""
    words = definition.step("Features")["Arguments"]["AppSpecification"]["ContainerArguments"]
    return {"stage", *(word.removeprefix("--") for word in words if str(word).startswith("--"))}


def _places(name: str, prepared: Prepared) -> dict[str, str]:
    return {RUN_ID: name, PREPARED: prepared.uri, FEATURES: prepared.features or "s3://none"}


def _leave_out_features(job: Json, prepared: Prepared) -> None:
    """Without them a job computes them itself."""
    if prepared.features is None:
        job["InputDataConfig"] = [one for one in job["InputDataConfig"] if one["ChannelName"] != "features"]


def _need(prepared: Prepared, definition: Definition, wish: Wish) -> None:
    """Trials of a head see features and no picture."""
    if prepared.features is None:
        changed = ", ".join(sorted(of_features(definition) & set(wish.flags)))
        raise OperatorError(
            f"--set {changed}: the trials of this stage see features of another network, and no picture; change it "
            "in the stage file, and deploy."
        )


def _varied(config: StageConfig, tuned: Mapping[str, str]) -> dict[str, str]:
    own = config.training.hyperparameters.model_dump()
    found = {flag(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in own.items()}
    return {TUNED.format(name): value for name, value in (found | dict(tuned)).items()}


def tuning(definition: Definition, name: str, prepared: Prepared, config: StageConfig, wish: Wish) -> Json:
    found = {
        "HyperParameterTuningJobName": name,
        **definition.arguments("Tune", _places(name, prepared)),
    }
    limits, trial = found["HyperParameterTuningJobConfig"]["ResourceLimits"], found["TrainingJobDefinition"]
    varied = varied_by(definition)
    if both := sorted(varied & set(wish.flags)):
        raise OperatorError(f"--set {both[0]}: the trials vary it; what they vary is training.tuning.space.")
    _leave_out_features(trial, prepared)
    if not {"train", "valid"} & {one["ChannelName"] for one in trial["InputDataConfig"]}:
        _need(prepared, definition, wish)
    trial["StaticHyperParameters"] |= wish.flags
    if wish.jobs is not None or wish.parallel is not None:
        own = config.training.tuning
        limits |= {"MaxNumberOfTrainingJobs": own.jobs, "MaxParallelTrainingJobs": own.parallel}
    _place(trial, config, wish)
    return found


def varied_by(definition: Definition) -> set[str]:
    """The flags that trials vary."""
    ranges = definition.step("Tune")["Arguments"]["HyperParameterTuningJobConfig"]["ParameterRanges"]
    return {one["Name"] for kind in ranges.values() for one in kind}


def _place(job: Json, config: StageConfig, wish: Wish) -> None:
    """Type and market; a GPU has an image of its own."""
    if wish.instance_type is not None:
        job["ResourceConfig"]["InstanceType"] = wish.instance_type
        image = training_image(config.stage.region, gpu=has_gpu(wish.instance_type))
        job["AlgorithmSpecification"]["TrainingImage"] = image
    if wish.spot is not None:
        job["EnableManagedSpotTraining"] = wish.spot
        stopping = job["StoppingCondition"]
        stopping.pop("MaxWaitTimeInSeconds", None)
        if wish.spot and config.training.spot is not None:
            longest = max(config.training.spot.max_wait_seconds, stopping["MaxRuntimeInSeconds"])
            stopping["MaxWaitTimeInSeconds"] = longest


def validated(sagemaker: Client, operation: str, request: Json) -> Json:
    """Against the shape that the call takes, before anything is asked of AWS."""
    shape = sagemaker.meta.service_model.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape).generate_report()
    if report:
        raise OperatorError(f"{operation} would refuse this: {' '.join(report.split())}")
    return request
