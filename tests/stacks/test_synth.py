"""Synthesis needs nothing but the sources, and the same sources give the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App

from config import ConfigError
from stacks.whippet import build_app
from tests import synth

pytestmark = pytest.mark.xdist_group("synth")

SHIPPED = (
    "app.py",
    "cdk.json",
    "config",
    "stacks",
    "lambda_src",
    "serving",
    "training",
    "workbench",
    "notebooks",
    "requirements-notebook.txt",
)
# Both halves of jsii: Python is refused sockets by its own audit hook, Node by replacing what opens them.
NO_SOCKETS_PYTHON = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        raise RuntimeError(f"synthesis opened a socket: {event} {arguments}")
sys.addaudithook(refuse)
"""
NO_SOCKETS_NODE = """
const refuse = (name) => () => { console.error(`synthesis opened a socket: ${name}`); process.exit(77); };
require('net').Socket.prototype.connect = refuse('connect');
require('dns').lookup = refuse('lookup');
"""


def files(folder):
    """Relative path -> bytes of an assembly; what an asset holds is told by its name, a hash."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"tree.json"}
    }


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The sources at another path, with other times and modes, for another user in another time zone."""
    place = tmp_path_factory.mktemp("a folder with spaces")
    for name in SHIPPED:
        source = synth.ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=ignore)
        else:
            shutil.copy(source, place)
        for path in [place / name, *(place / name).rglob("*")]:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    (place / "hooks").mkdir()
    (place / "hooks" / "sitecustomize.py").write_text(NO_SOCKETS_PYTHON)
    (place / "hooks" / "refuse.js").write_text(NO_SOCKETS_NODE)
    return place


def synthesize(place, stage, out):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "USER": "somebody-else",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONPATH": str(place / "hooks"),
        "PYTHONHASHSEED": "7",
        "PYTHONPYCACHEPREFIX": str(place / "compiled"),
        # The CDK unpacked, as pip's packages are; a new home would unpack its hundred megabytes again.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache"),
        "NODE_OPTIONS": f'--require "{place / "hooks" / "refuse.js"}"',
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps({**synth.context(), "stage": stage}),
    }
    command = [sys.executable, "app.py"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return files(out)


@pytest.mark.parametrize("stage", synth.STAGES)
def test_synthesis_elsewhere_without_credentials_or_network_gives_the_same_bytes(stage, elsewhere, tmp_path):
    here, there = files(synth.assembly(stage)), synthesize(elsewhere, stage, tmp_path / "out")
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_no_template_asks_for_parameters_beyond_the_bootstrap_version():
    for stage in synth.STAGES:
        for template in synth.templates(stage).values():
            assert list(template["Parameters"]) == ["BootstrapVersion"]


def test_caches_do_not_ship():
    for stage in synth.STAGES:
        assert not [name for name in files(synth.assembly(stage)) if "__pycache__" in name or name.endswith(".pyc")]


def test_functions_ship_alone():
    for stage in synth.STAGES:
        functions = [
            {path.split("/")[1] for path in files(synth.assembly(stage)) if path.startswith(folder.name + "/")}
            for folder in synth.assembly(stage).glob("asset.*")
            if (folder / "predict").is_dir() or (folder / "build_image").is_dir()
        ]
        assert functions
        assert all(len(folders) == 1 for folders in functions)


def run_app(context):
    environment = {**os.environ, "CDK_CONTEXT_JSON": json.dumps({**synth.context(), **context})}
    command = [sys.executable, "app.py"]
    return subprocess.run(command, cwd=synth.ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("context", "said"), [({}, "no stage was chosen"), ({"stage": "porduction"}, 'no stage "porduction"')]
)
def test_app_without_a_known_stage_says_which_there_are(context, said):
    done = run_app(context)
    assert done.returncode == 1
    assert said in done.stderr
    assert "dev, local, prod" in done.stderr
    assert "Traceback" not in done.stderr


def test_app_reads_the_stage_files_of_the_folder_that_it_is_given(tmp_path):
    (tmp_path / "mine.toml").write_text("[stage]\nproject = 5\n")
    with pytest.raises(ConfigError, match=f"{tmp_path.name}/mine.toml"):
        build_app(App(), "mine", tmp_path)
