"""`status`, `logs`, `doctor` and `idle` against the deployed stage."""

import pytest

from tests.operating import operate

pytestmark = pytest.mark.xdist_group("deployed")


def watched(deployed, *words):
    done = operate(deployed.environment, *words, "--stage", "local", "--json")
    assert done.status == 0, done.err
    return done.json()


def test_status_knows_the_deployed_stage(deployed):
    deployed.call("POST", "/predict", deployed.sample.read_bytes())
    found = watched(deployed, "status")
    assert "whippet-local-serving" in found["stacks"]
    assert found["endpoint"]["name"] == deployed.endpoint
    assert [fleet["variant"] for fleet in found["endpoint"]["fleets"]] == ["primary"]
    assert found["endpoint"]["fleets"][0]["bounds"] == [1, 2]
    assert {alarm["state"] for alarm in found["alarms"]} <= {"OK", "INSUFFICIENT_DATA", "ALARM"}
    assert found["waiting"]["refused by intake"] >= 0
    assert found["spending"]["limit_usd"] == 150.0
    unknown = [name for name, part in found.items() if isinstance(part, dict) and part.keys() == {"reason"}]
    assert unknown == []


def test_doctor_finds_nothing_that_a_deploy_would_fail_for(deployed):
    found = watched(deployed, "doctor")
    assert [one for one in found["findings"] if one["state"] == "fault"] == []
    well = {one["what"] for one in found["findings"] if one["state"] == "well"}
    assert {"bootstrap", "who CloudFormation is", "quota ml.m5.xlarge for training job usage", "image.uri"} <= well


def test_doctor_refuses_a_stage_that_the_account_cannot_hold(deployed):
    key = f"models/{'0' * 64}/model.tar.gz"
    stages = deployed.changed_project(artifact=f'"{key}"', version='"9"') / "config"
    done = operate(deployed.environment, "doctor", "--stage", "local", "--stages", str(stages))
    assert done.status == 5
    assert f"model.artifact: s3://{deployed.bucket}/{key} is not there" in done.out


def test_logs_of_the_function_hold_the_request_just_made(deployed):
    answer = deployed.call("POST", "/predict", deployed.sample.read_bytes())
    lines = watched(deployed, "logs", "predict", "--since", "5m")
    assert any(answer.json()["request_id"] in line["message"] for line in lines)


def test_idle_looks_at_everything(deployed):
    assert watched(deployed, "idle")["not_looked_at"] == []
