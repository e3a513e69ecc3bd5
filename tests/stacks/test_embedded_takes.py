"""Whatever a stage file may choose, the embedded AWS has every resource type of it, and reads every property."""

import json
import subprocess
import sys

import pytest

from tests import synth
from tests.stacks import variants
from tests.stacks.choices import CHOICES

pytestmark = pytest.mark.xdist_group("synth")
# Completed here: MiniStack's CloudFormation reads them in no type of its own.
COMPLETED = {
    "AWS::Lambda::Function": ["DeadLetterConfig", "ReservedConcurrentExecutions"],
    "AWS::S3::Bucket": ["BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls"],
}
# Without effect, and told so in docs/local.md or by `python -m local status`.
INERT = {
    # No build runs here.
    "AWS::CodeBuild::Project": ["LogsConfig", "QueuedTimeoutInMinutes"],
    # Tags for cost allocation.
    "AWS::Lambda::EventSourceMapping": ["Tags"],
    # A topic's messages are not encrypted on this machine.
    "AWS::SNS::Topic": ["KmsMasterKeyId"],
}


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


def test_every_property_is_read_or_has_a_reason(handled):
    expected = {kind: [*COMPLETED.get(kind, []), *INERT.get(kind, [])] for kind in {**COMPLETED, **INERT}}
    assert {kind: sorted(names) for kind, names in handled["unread"].items()} == expected
