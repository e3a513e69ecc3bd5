"""The stages of three published write-ups, kept in tests/stages: what each chose by hand is what its templates say."""

import tomllib
from unittest import mock

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template

from config.load import load_stage
from stacks import whippet
from tests import synth

pytestmark = pytest.mark.xdist_group("synth")
FOLDER = synth.ROOT / "tests" / "stages"
WRITE_UPS = ("first", "second", "third")
# What they chose: warm environments, reserved ones, instances at most, cooldowns out and in, target, box, notebook.
CHOSEN = {
    "first": (2, 5, 3, 30, 30, 600, "t2.xlarge", "ml.t2.medium"),
    "second": (2, None, 4, 5, 30, 25, "g5.xlarge", "ml.t3.medium"),
    "third": (3, 5, 3, 30, 30, 100, "t2.xlarge", None),
}
# Training's instances, trials and trials at once.
TRAINED = {"first": ("ml.m5.2xlarge", 1, 6, 3), "second": ("ml.m5.xlarge", 1, 2, 1), "third": ("ml.m5.xlarge", 3, 2, 1)}


@pytest.fixture(scope="module", params=WRITE_UPS)
def write_up(request):
    """Its name, and its templates by room."""
    loaded = load_stage(request.param, FOLDER)
    app = App(context=synth.context())
    with mock.patch.object(whippet, "load_stage", return_value=loaded):
        whippet.build_app(app, request.param)
    children = app.node.children
    return request.param, {child.node.id.rsplit("-", 1)[1]: Template.from_stack(child).to_json() for child in children}


def the(template, kind):
    found = synth.resources(template, kind).values()
    return next((body["Properties"] for body in found), None)


def test_capacity_is_as_it_was_chosen_by_hand(write_up):
    name, rooms = write_up
    environments = the(rooms["api"], "AWS::ApplicationAutoScaling::ScalableTarget")
    instances = the(rooms["serving"], "AWS::ApplicationAutoScaling::ScalableTarget")
    tracking = the(rooms["serving"], "AWS::ApplicationAutoScaling::ScalingPolicy")[
        "TargetTrackingScalingPolicyConfiguration"
    ]
    box, notebook = (
        the(rooms["workbench"], "AWS::EC2::Instance"),
        the(rooms["workbench"], "AWS::SageMaker::NotebookInstance"),
    )
    assert instances["MinCapacity"] == 1
    assert (
        environments["MinCapacity"],
        the(rooms["api"], "AWS::Lambda::Function").get("ReservedConcurrentExecutions"),
        instances["MaxCapacity"],
        tracking["ScaleOutCooldown"],
        tracking["ScaleInCooldown"],
        tracking["TargetValue"],
        box["InstanceType"],
        notebook and notebook["InstanceType"],
    ) == CHOSEN[name]


def test_training_is_as_it_was_chosen_by_hand(write_up):
    name, _ = write_up
    raw = tomllib.loads((FOLDER / f"{name}.toml").read_text())["training"]
    tuning = raw["tuning"]
    assert (raw["instance_type"], raw["instance_count"], tuning["jobs"], tuning["parallel"]) == TRAINED[name]


def test_every_write_up_is_tried():
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == sorted(WRITE_UPS)
