"""Whatever a stage file may choose, the embedded AWS has every resource type of it, and reads every property."""

import json
import subprocess
import sys

import pytest

from local.inert import ACCEPTED_WITHOUT_EFFECT
from tests import synth
from tests.stacks import variants
from tests.stacks.acting import ACTING
from tests.stacks.choices import CHOICES

pytestmark = pytest.mark.xdist_group("synth")
# Completed here: MiniStack's CloudFormation reads them in no type of its own.
COMPLETED = {
    "AWS::Lambda::Function": ["DeadLetterConfig", "ReservedConcurrentExecutions"],
    "AWS::S3::Bucket": ["BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls"],
    "AWS::SNS::Topic": ["KmsMasterKeyId"],
}
# Without effect, and told so by `python -m local status`.
INERT = {name for one in ACCEPTED_WITHOUT_EFFECT for name in one.properties}


@pytest.fixture(scope="module")
def chosen():
    """Type -> the properties that some stage or choice gives it."""
    stages = [template for stage in synth.STAGES for template in synth.templates(stage).values()]
    others = [template for changes in CHOICES.values() for template in variants.rooms(**changes).values()]
    found = {}
    for template in (*stages, *others):
        for body in template["Resources"].values():
            found.setdefault(body["Type"], set()).update(body.get("Properties", {}))
    return {kind: sorted(names) for kind, names in found.items() if not kind.startswith("Custom::")}


@pytest.fixture(scope="module")
def handled(chosen):
    command = [sys.executable, "-m", "tests.stacks.handled_types"]
    done = subprocess.run(
        command, input=json.dumps(chosen), capture_output=True, text=True, cwd=synth.ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_every_type_is_provisioned(chosen, handled):
    assert len(chosen) > 50
    assert sorted(set(chosen) - set(handled["types"])) == []


def test_every_property_is_read_or_told_to_be_without_effect(handled):
    completed = {f"{kind}.{name}" for kind, names in COMPLETED.items() for name in names}
    unread = {f"{kind}.{name}" for kind, names in handled["unread"].items() for name in names}
    assert completed <= unread
    assert unread - completed <= INERT


def test_every_property_acts_or_is_told_to_be_without_effect(chosen):
    """What is only stored is read too, so that this is a person's list: a new property needs a look."""
    acting = {f"{kind}.{name}" for kind, names in ACTING.items() for name in names.split()}
    assert acting & INERT == set()
    assert {f"{kind}.{name}" for kind, names in chosen.items() for name in names} == acting | INERT
