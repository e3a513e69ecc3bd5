"""Boxes and notebooks that cannot work are refused in a sentence."""

import pytest

from config.load import parse_stage
from tests.config.stage_file import changed, faults

BOX, NOTEBOOK = "workbench__box__", "workbench__notebook__"
SENTENCES = [
    (
        {f"{BOX}volume_gb": 99},
        "workbench.box.volume_gb = 99: leaves no room beside a Deep Learning AMI; give 100 or more",
    ),
    (
        {f"{BOX}instance_type": "m7g.xlarge"},
        'workbench.box.instance_type = "m7g.xlarge": is an Arm type, and the AMI is for x86-64; choose m5.xlarge',
    ),
    (
        {f"{BOX}instance_type": "p3.2xlarge"},
        'workbench.box.instance_type = "p3.2xlarge": has a GPU that CUDA 13 and NVIDIA\'s open driver left behind',
    ),
    (
        {f"{BOX}instance_type": "p2.xlarge"},
        'workbench.box.instance_type = "p2.xlarge": has a GPU that CUDA 13',
    ),
    (
        {f"{BOX}instance_type": "g5.xlarge", f"{BOX}ami_type": "base-ubuntu-24.04"},
        'workbench.box.ami_type = "base-ubuntu-24.04": has no driver for the GPU of workbench.box.instance_type = g5.xlarge',
    ),
    ({f"{BOX}instance_type": "ml.m5.xlarge"}, 'workbench.box.instance_type = "ml.m5.xlarge": must match'),
    ({f"{BOX}ami_id": "ami-1"}, 'workbench.box.ami_id = "ami-1": must match'),
    ({f"{BOX}market": "reserved"}, 'workbench.box.market = "reserved": must be "on-demand" or "spot"'),
    ({f"{BOX}idle_minutes": 5}, "workbench.box.idle_minutes = 5: must be greater than or equal to 10"),
    (
        {f"{NOTEBOOK}instance_type": "ml.c7g.large"},
        'workbench.notebook.instance_type = "ml.c7g.large": is no type for notebook instances; choose ml.t3.medium',
    ),
    (
        {f"{NOTEBOOK}instance_type": "ml.m5.large"},
        'workbench.notebook.instance_type = "ml.m5.large": is no type for notebook instances, which come in these sizes '
        "of m5: xlarge 2xlarge",
    ),
    (
        {"network__isolated": True, "network__interface_endpoints": ["ssm", "sagemaker.api"]},
        "workbench.box.enabled = true: while network.isolated = true, nobody could open a shell on the box without the "
        "endpoint ssmmessages; add it to network.interface_endpoints",
    ),
    (
        {
            "network__isolated": True,
            "network__interface_endpoints": ["ssm", "ssmmessages"],
            f"{NOTEBOOK}enabled": True,
        },
        "workbench.notebook.enabled = true: while network.isolated = true, the notebook could start no job without the "
        "endpoint sagemaker.api",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[row[1].split(":")[0] for row in SENTENCES])
def test_what_cannot_work_is_refused_in_a_sentence(changes, sentence):
    (fault,) = faults(**changes)
    assert fault.startswith(sentence)


def test_spot_is_warned_about_with_the_commands_that_it_needs():
    _, (warning,) = parse_stage(changed(**{f"{BOX}market": "spot"}), "config/dev.toml")
    assert "aws kms create-grant" in warning
    assert "cancel its spot request" in warning


def test_isolated_stage_without_a_workbench_needs_no_endpoint():
    raw = changed(network__isolated=True, network__interface_endpoints=[], workbench__box__enabled=False)
    assert parse_stage(raw, "config/dev.toml")[1] == []


@pytest.mark.parametrize("kind", ["g4dn.xlarge", "g5.xlarge", "t3.xlarge", "p5.48xlarge", "c7i.8xlarge"])
def test_types_that_the_ami_runs_on_are_taken(kind):
    assert parse_stage(changed(workbench__box__instance_type=kind), "config/dev.toml")[1] == []
