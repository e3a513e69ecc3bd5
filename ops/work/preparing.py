"""A data set made ready to train on: what a run has done is taken; else the pipeline's own first steps are done."""

from dataclasses import replace

from ops.errors import OperatorError
from ops.stage import Stage
from ops.work.datasets import DataSet
from ops.work.definition import Definition
from ops.work.following import follow
from ops.work.jobs import PROCESSING
from ops.work.prepared import Prepared, computed, computing, prepared, under_way
from ops.work.requests import Json, computing_features, needs_features, new_name, preparing, validated
from ops.work.wishes import Wish


def made_ready(stage: Stage, definition: Definition, data: DataSet, wish: Wish) -> Prepared:
    """With features where the pipeline computes them and the wish changes none of what they depend on."""
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
