"""Checkov over every stage, from an environment of its own: `make checkov`."""

import json
import re
import subprocess
from functools import cache

import pytest

from tests import synth
from tests.stacks.checkov_reasons import REASONS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("synth")]

PROGRAM = synth.ROOT / ".venv-checkov" / "bin" / "checkov"


@cache
def failed(stage):
    """Check and logical id, without its hash, of everything that Checkov does not like."""
    assert PROGRAM.exists(), "Checkov has an environment of its own: `make checkov` makes it"
    options = ["--framework", "cloudformation", "--compact", "--quiet", "--output", "json", "--skip-download"]
    command = [str(PROGRAM.with_name("python")), str(PROGRAM), "--directory", str(synth.assembly(stage)), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    return {
        (found["check_id"], re.sub(r"[0-9A-F]{8}$", "", found["resource"].split(".")[1]))
        for found in report["results"]["failed_checks"]
    }


def reason(check, resource):
    return next((why for pattern, why in REASONS.get(check, {}).items() if re.fullmatch(pattern, resource)), None)


@pytest.mark.parametrize("stage", synth.STAGES)
def test_checkov_finds_nothing_without_a_reason(stage):
    assert [(check, resource) for check, resource in sorted(failed(stage)) if not reason(check, resource)] == []


def test_no_reason_outlives_its_finding():
    found = set().union(*(failed(stage) for stage in synth.STAGES))
    unused = [
        (check, pattern)
        for check, patterns in REASONS.items()
        for pattern in patterns
        if not any(check == one and re.fullmatch(pattern, resource) for one, resource in found)
    ]
    assert unused == []
