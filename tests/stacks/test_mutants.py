"""Nothing that protects can be taken out of a template unnoticed: `make mutants` tries each piece."""

import json
import subprocess
import sys

import pytest

from tests import synth

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("synth")]
SCRIPT = synth.ROOT / "scripts" / "mutants.py"


def run(*arguments):
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_every_piece_that_protects_is_missed_by_some_test():
    status, report = run()
    assert report["survivors"] == []
    assert report["reasons_without_survivor"] == []
    assert report["mutants"] > 200
    assert status == 0


def test_a_piece_that_no_test_misses_is_listed():
    status, report = run("--also", "^Description$")
    assert any(survivor.endswith("/Description") for survivor in report["survivors"])
    assert status == 1
