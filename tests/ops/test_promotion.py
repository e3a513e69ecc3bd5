"""Approval in the registry, and the two lines of the stage file that a promotion changes."""

import tomllib
from pathlib import Path

import pytest

from config.load import FOLDER, parse_stage
from ops.errors import OperatorError
from ops.promotion import Promoted, approve, written

PROMOTED = Promoted(f"models/{'ab' * 32}/model.tar.gz", "7")


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_only_the_models_two_values_change(stage):
    before = Path(FOLDER / f"{stage}.toml").read_text()
    after = written(before, PROMOTED)
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line.split("#")[0].strip() for line in changed] == [f'artifact = "{PROMOTED.artifact}"', 'version = "7"']
    assert ["#" in line for line in changed] == [True, True]
    config, _ = parse_stage(tomllib.loads(after), "stage")
    assert (config.model.artifact, config.model.version) == (PROMOTED.artifact, "7")


def test_a_stage_file_without_the_lines_is_a_sentence():
    with pytest.raises(OperatorError, match='no line model.version = "..."'):
        written('[model]\nartifact = "starter"\n\n[serving]\nversion = "x"\n', PROMOTED)


class Registry:
    def __init__(self, status):
        self.status, self.updates = status, []

    def describe_model_package(self, ModelPackageName):
        containers = [{"ModelDataUrl": f"s3://bucket/{PROMOTED.artifact}"}]
        return {
            "ModelApprovalStatus": self.status,
            "ModelPackageVersion": 7,
            "InferenceSpecification": {"Containers": containers},
        }

    def update_model_package(self, **update):
        self.updates.append(update)


def test_a_version_is_approved_with_a_reason_and_only_once():
    registry = Registry("PendingManualApproval")
    assert approve(registry, "arn", reason="better by 2 points") == PROMOTED
    assert registry.updates == [
        {"ModelPackageArn": "arn", "ModelApprovalStatus": "Approved", "ApprovalDescription": "better by 2 points"}
    ]
    registry = Registry("Approved")
    assert approve(registry, "arn", reason="again") == PROMOTED
    assert registry.updates == []
