"""A data set made ready to train on: what a run has done is taken; else the pipeline's own first steps are done."""

from collections.abc import Callable
from dataclasses import replace

from ops.errors import OperatorError
from ops.stage import Stage
from ops.work.datasets import DataSet
from ops.work.definition import Definition
from ops.work.following import follow
from ops.work.jobs import PROCESSING, described
from ops.work.prepared import Prepared, computed, computing, output, prepared, under_way
from ops.work.requests import Json, computing_features, needs_features, new_name, preparing, validated
from ops.work.wishes import Wish

Says = Callable[[str], None]


def ready(
    stage: Stage, definition: Definition, data: DataSet, wish: Wish, says: Says, *, is_rehearsal: bool
) -> Prepared:
    """With features where the pipeline computes them and the wish changes none of what they depend on.

    A rehearsal starts nothing and waits for nothing: what no job has made yet has a placeholder for its place.
    """
    if is_rehearsal:
        return _rehearsed(stage, definition, data, wish, says)
    found = _made_ready(stage, definition, data, wish)
    _tell(found, says)
    return found


def _tell(found: Prepared, says: Says) -> None:
    says(f"The data set as {found.origin} prepared it: {found.uri}/")


def _made_ready(stage: Stage, definition: Definition, data: DataSet, wish: Wish) -> Prepared:
    found = prepared(stage, data)
    if found is None:
        name = under_way(stage, data)
        if name is None:
            name = new_name(stage.names.own_jobs, "prepare")
            _start(stage, preparing(definition, name, data))
        follow(stage, PROCESSING, name)
        found = prepared(stage, data)
    if found is None:
        raise OperatorError(f"Data set {data.name} was prepared, and changed meanwhile: run the same command again.")
    if not needs_features(definition, wish):
        return found
    return replace(found, features=_features(stage, definition, data, found))


def _rehearsed(stage: Stage, definition: Definition, data: DataSet, wish: Wish, says: Says) -> Prepared:
    found = prepared(stage, data)
    if found is not None:
        _tell(found, says)
    elif (left := under_way(stage, data)) is not None:
        found = Prepared(output(described(stage.client("sagemaker"), PROCESSING, left).document, "data"), left)
        says(f"The preparing job {left} would be waited for first: {found.uri}/")
    else:
        name = f"{stage.names.own_jobs}prepare-..."
        found = Prepared(output(preparing(definition, name, data), "data"), name)
        says(f"A preparing job would run first; until then {found.uri}/ is a placeholder.")
    if not needs_features(definition, wish):
        return found
    wanted = computing_features(definition, f"{stage.names.own_jobs}features-...", found)
    place = computed(stage, data, wanted)
    if place is None:
        place = output(wanted, "features")
        says(f"A job that computes features would run first; until then {place}/ is a placeholder.")
    return replace(found, features=place)


def _features(stage: Stage, definition: Definition, data: DataSet, found: Prepared) -> str | None:
    name = new_name(stage.names.own_jobs, "features")
    wanted = computing_features(definition, name, found)
    place = computed(stage, data, wanted)
    if place is None:
        left = next((one for one, _ in computing(stage, data, wanted, "InProgress")), None)
        if left is None:
            _start(stage, wanted)
        follow(stage, PROCESSING, left or name)
        place = computed(stage, data, wanted)
    return place


def _start(stage: Stage, request: Json) -> None:
    sagemaker = stage.client("sagemaker")
    sagemaker.create_processing_job(**validated(sagemaker, "CreateProcessingJob", request))
