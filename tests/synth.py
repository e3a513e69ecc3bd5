"""One synthesis a stage and test process, in memory for all tests that read templates."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from aws_cdk import App

from stacks.whippet import build_app

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("local", "dev", "prod")
Template = dict[str, Any]


def context() -> dict[str, Any]:
    """cdk.json's, which an App made in a test does not read by itself."""
    return json.loads((ROOT / "cdk.json").read_text())["context"]


@cache
def assembly(stage: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"synth-{stage}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    app = App(outdir=str(folder), context=context())
    build_app(app, stage)
    app.synth()
    return folder


@cache
def templates(stage: str) -> dict[str, Template]:
    """Room name -> template: data, image, serving, api."""
    paths = sorted(assembly(stage).glob("*.template.json"))
    return {path.name.split(".")[0].rsplit("-", 1)[1]: json.loads(path.read_text()) for path in paths}


def resources(template: Template, kind: str | None = None) -> dict[str, dict[str, Any]]:
    return {name: body for name, body in template["Resources"].items() if kind in (None, body["Type"])}


def only(template: Template, kind: str) -> dict[str, Any]:
    """The properties of the single resource of a type."""
    (body,) = resources(template, kind).values()
    return body["Properties"]
