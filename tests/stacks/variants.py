"""Stages that differ from dev, or from another, by a few keys; synthesized for one test."""

import json
import tomllib
from functools import cache
from pathlib import Path
from unittest import mock

from aws_cdk import App

from config.load import FOLDER, parse_stage
from stacks import whippet
from tests import synth


def build(changes, outdir=None, stage="dev"):
    """An app with keys set anew, as in {"serving__instance_count": 3}; None takes a key away."""
    file = f"{stage}.toml"
    raw = tomllib.loads((FOLDER / file).read_text())
    for path, value in changes.items():
        *sections, key = path.split("__")
        place = raw
        for section in sections:
            place = place[section]
        if value is None:
            del place[key]
        else:
            place[key] = value
    # The CDK's own look at templates takes as long as all else; tests/synth.py's stages get it, cfn-lint sees the rest.
    app = App(context=synth.context(), outdir=outdir, builtin_cloud_formation_validation=False)
    with mock.patch.object(whippet, "load_stage", return_value=parse_stage(raw, f"config/{file}")):
        whippet.build_app(app, stage)
    return app


def rooms(**changes):
    """The templates of stage dev with keys set anew, as in serving__instance_count=3; from the same sources each time."""
    return json.loads(_rooms(json.dumps(changes)))


@cache
def _rooms(changes):
    return json.dumps(rooms_of(build(json.loads(changes))))


def rooms_of(app):
    paths = Path(app.synth().directory).glob("*.template.json")
    return {path.name.split(".")[0].rsplit("-", 1)[1]: json.loads(path.read_text()) for path in paths}


def environments(**changes):
    """The accounts that the stacks may be deployed to."""
    return {child.account for child in build(changes).node.children}


def warnings(**changes):
    return "\n".join(str(entry.data) for entry in build(changes).node.metadata)
