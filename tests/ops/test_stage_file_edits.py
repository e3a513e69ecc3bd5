"""Single values of a stage file changed by a command; every other line stays as it is."""

import tomllib
from pathlib import Path

import pytest

from config.load import FOLDER, ConfigError, parse_stage
from ops.errors import OperatorError
from ops.models.stage_file import (
    Promoted,
    checked,
    with_instance_type,
    with_model,
    with_scaling_paused,
    with_scaling_resumed,
    without_variant,
    write,
)

PROMOTED = Promoted(f"models/{'ab' * 32}/model.tar.gz", "7")
STAGES = ["local", "dev", "prod"]
TWO = """
[[serving.variants]]
name = "first"
artifact = "starter"

[[serving.variants]]            # tried since March
name = "second"
artifact = "starter"
instance_type = "ml.c5.large"

# What comes next.
[serving.scaling]
enabled = true
"""


def text_of(stage):
    return Path(FOLDER / f"{stage}.toml").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_models_two_values_change(stage):
    before = text_of(stage)
    after = with_model(before, PROMOTED)
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line.split("#")[0].strip() for line in changed] == [f'artifact = "{PROMOTED.artifact}"', 'version = "7"']
    assert ["#" in line for line in changed] == [True, True]
    config, _ = parse_stage(tomllib.loads(after), "stage")
    assert (config.model.artifact, config.model.version) == (PROMOTED.artifact, "7")


def test_a_stage_file_without_the_lines_is_a_sentence():
    with pytest.raises(OperatorError, match='no line model.version = "..."'):
        with_model('[model]\nartifact = "starter"\n\n[serving]\nversion = "x"\n', PROMOTED)
    with pytest.raises(OperatorError, match=r"no section \[model\]"):
        with_model('[serving]\nversion = "x"\n', PROMOTED)


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_endpoints_instance_type_changes(stage):
    before, after = text_of(stage), with_instance_type(text_of(stage), "ml.c7i.xlarge")
    changed = [line.split("#")[0].strip() for line in after.splitlines() if line not in before.splitlines()]
    assert changed == ['instance_type = "ml.c7i.xlarge"']
    assert tomllib.loads(after)["serving"]["instance_type"] == "ml.c7i.xlarge"


@pytest.mark.parametrize("stage", STAGES)
def test_scaling_is_paused_once_and_resumed_without_a_trace(stage):
    paused = with_scaling_paused(text_of(stage))
    assert tomllib.loads(paused)["serving"]["scaling"]["paused"] is True
    assert with_scaling_paused(paused) == paused
    assert with_scaling_resumed(paused) == text_of(stage)


@pytest.mark.parametrize(("name", "left"), [("first", ["second"]), ("second", ["first"])])
def test_a_variant_goes_with_its_own_lines_alone(name, left):
    after = without_variant(TWO, name)
    assert [one["name"] for one in tomllib.loads(after)["serving"]["variants"]] == left
    assert "# What comes next.\n[serving.scaling]" in after
    with pytest.raises(OperatorError, match='no \\[\\[serving.variants\\]\\] with name = "third"'):
        without_variant(TWO, "third")


def test_what_a_deploy_would_refuse_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="burstable types cannot autoscale"):
        checked(with_instance_type(text_of("dev"), "ml.t2.medium"), tmp_path / "dev.toml")


def test_a_file_that_cannot_be_written_is_a_sentence_and_stays(tmp_path):
    write(tmp_path / "dev.toml", "one")
    with pytest.raises(OperatorError, match=r"cannot be written \(Not a directory\)"):
        write(tmp_path / "dev.toml" / "dev.toml", "two")
    assert (tmp_path / "dev.toml").read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["dev.toml"]
