"""The notebook's own reading of the pipeline's definition; tests/system/test_notebook.py runs the whole of it."""

import ast
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from tests.synth import ROOT

NOTEBOOK = ROOT / "notebooks" / "operationalize.ipynb"
LEFT = {"data": "s3://bucket/runs/r1/data", "features": "s3://bucket/runs/r1/features"}


class SageMaker:
    """Each processing job has left one output."""

    def describe_processing_job(self, ProcessingJobName):
        outputs = [{"OutputName": ProcessingJobName, "S3Output": {"S3Uri": LEFT[ProcessingJobName]}}]
        return {"ProcessingOutputConfig": {"Outputs": outputs}}


def step(name, job):
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:processing-job/{job}"
    return SimpleNamespace(step_name=name, metadata=SimpleNamespace(processing_job=SimpleNamespace(arn=arn)))


@pytest.fixture(scope="module")
def resolved():
    """That function, as the notebook has it."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    (source,) = ("".join(cell["source"]) for cell in cells if "def resolved(" in "".join(cell["source"]))
    functions = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef)]
    place = {
        **{"re": re, "Any": Any, "boto3": SimpleNamespace(client=lambda service: SageMaker())},
        **{"steps": [step("Prepare", "data"), step("Features", "features")], "best": {"learning-rate": "0.1"}},
    }
    exec(compile(ast.Module(functions, []), NOTEBOOK.name, "exec"), place)
    return place["resolved"]


def output(name, of):
    return {"Get": f"Steps.{name}.ProcessingOutputConfig.Outputs['{of}'].S3Output.S3Uri"}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"Get": "Execution.PipelineExecutionId"}, "mine"),
        ({"Get": "Steps.Tune.BestTrainingJob.TunedHyperParameters['learning-rate']"}, "0.1"),
        ({"Std:Join": {"On": "/", "Values": [output("Prepare", "data"), "train", ""]}}, f"{LEFT['data']}/train/"),
        ({"Std:Join": {"On": "/", "Values": [output("Features", "features"), ""]}}, f"{LEFT['features']}/"),
        ([{"A": 1, "B": [output("Features", "features")]}], [{"A": 1, "B": [LEFT["features"]]}]),
    ],
)
def test_references_of_the_definition_become_what_the_run_has_left(resolved, asked, found):
    assert resolved(asked, "mine") == found
