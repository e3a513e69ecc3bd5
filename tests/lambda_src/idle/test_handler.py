"""The folder alone is a function: it starts from its environment, and it uses no permission that its role lacks."""

import re
import shutil
import subprocess
import sys

from tests.lambda_src.idle.stub import ENVIRONMENT
from tests.stacks.permissions.operations import STOP
from tests.synth import ROOT

FOLDER = ROOT / "lambda_src" / "idle"


def run(tmp_path, script, **environment):
    shutil.copytree(FOLDER, tmp_path / "idle", ignore=shutil.ignore_patterns("__pycache__"))
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"AWS_DEFAULT_REGION": "us-east-1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_starts_from_its_folder_alone(tmp_path):
    done = run(tmp_path, "import idle.handler; print(callable(idle.handler.handle))", **ENVIRONMENT)
    assert done.stdout == "True\n", done.stderr


def test_a_wrong_setting_stops_it_at_init_with_a_sentence(tmp_path):
    done = run(tmp_path, "import idle.handler", **{**ENVIRONMENT, "SWEEP": "delete"})
    assert "The environment variable SWEEP is 'delete'; set it to" in done.stderr


def test_every_call_is_one_that_the_role_may_make():
    text = (FOLDER / "account.py").read_text()
    called = set(re.findall(r'self\._(ec2|sagemaker|cloudwatch|sns)\.(?:get_paginator\("(\w+)"\)|(\w+)\()', text))
    made = {
        f"{service}:{''.join(p.title() for p in (paged or single).split('_'))}" for service, paged, single in called
    }
    granted = {action for _, actions, *_ in STOP.values() for action in actions}
    assert made == {action for action in granted if action.split(":")[0] not in ("kms", "logs")}
