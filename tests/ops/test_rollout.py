"""An endpoint on its way, a deploy that SageMaker takes back by itself, and a scoring job that fails."""

import contextlib
import json
import shutil
from argparse import Namespace
from pathlib import Path

import boto3
import pytest
from botocore.stub import ANY, Stubber

from config import load_stage
from ops.account import Account
from ops.console import Steps
from ops.errors import OperatorError, Refused, WorkFailed
from ops.models import change, rolling_back
from ops.models.change import differing, settled, told
from ops.models.live import Live, Past, Served
from ops.models.registry import Registry, Version
from ops.models.rolling_back import way_back
from ops.models.scoring import LiveScore
from ops.models.serving_change import Changed, ServingChange
from ops.models.stage_file import Promoted
from ops.stage import Stage
from ops.work.scoring import Scoring
from tests.ops.work.test_following import Logs

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
NEW, OLD = "models/new/model.tar.gz", "models/old/model.tar.gz"


def version(number, artifact, status="Approved"):
    return Version(
        number, f"arn/{number}", status, f"s3://b/{artifact}", "", "", "", "", "s3://b/runs/r/evaluation/e", ""
    )


@pytest.fixture
def sagemaker(monkeypatch):
    client = boto3.client("sagemaker", **KEYS)
    monkeypatch.setattr(Account, "client", lambda *_: client)
    with Stubber(client) as stub:
        yield stub


@pytest.fixture
def stage(tmp_path):
    return Stage("dev", load_stage("dev")[0], Account("us-east-1", {"AWS_ENDPOINT_URL": "x"}, "111122223333"), tmp_path)


def test_a_rollout_is_told_with_its_instances_share_and_what_they_do():
    pending = {
        "VariantName": "primary",
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 2,
        "CurrentWeight": 0.1,
        "VariantStatus": [{"Status": "Baking"}],
    }
    said = told({"EndpointStatus": "Updating", "PendingDeploymentSummary": {"ProductionVariants": [pending]}})
    assert said == "Updating; primary 1 of 2 new instances, 0.1 of the traffic's weight, Baking"
    assert told({"EndpointStatus": "InService"}) == "InService"


def test_a_deploy_that_sagemaker_took_back_by_itself_is_a_failure(stage, sagemaker, monkeypatch):
    monkeypatch.setattr(
        change, "live", lambda _: Live("endpoint", "config", "InService", "", (Served("primary", OLD, 1.0, "ml.x"),))
    )
    described = {
        "EndpointName": "endpoint",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/e",
        "EndpointStatus": "InService",
        "CreationTime": 0,
        "LastModifiedTime": 0,
        "FailureReason": "Alarm whippet went off.",
    }
    sagemaker.add_response("describe_endpoint", described)
    with pytest.raises(
        WorkFailed, match="still serves models/old.*gone back to the old model by itself. Alarm whippet"
    ):
        settled(stage, NEW)


def test_a_scoring_job_that_fails_tells_its_reason_and_its_last_words(stage, sagemaker, monkeypatch):
    monkeypatch.setattr(Stage, "output", lambda *_: "bucket")
    monkeypatch.setattr(Scoring, "known", lambda _: None)
    scoring = LiveScore(stage, version(7, NEW), "models/0123456789abcdef/model.tar.gz")
    running = {
        "ProcessingJobName": "job",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:processing-job/job",
        "CreationTime": 0,
        "ProcessingJobStatus": "InProgress",
    }
    sagemaker.add_response(
        "list_processing_jobs",
        {"ProcessingJobSummaries": [running]},
        {
            "NameContains": ANY,
            "StatusEquals": "InProgress",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
        },
    )
    ended = {
        **{key: running[key] for key in ("ProcessingJobName", "ProcessingJobArn", "CreationTime")},
        "ProcessingJobStatus": "Failed",
        "ExitMessage": "evaluate: no pictures",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "x"},
    }
    sagemaker.add_response("describe_processing_job", {**ended, "ProcessingJobStatus": "InProgress"})
    sagemaker.add_response("describe_processing_job", ended)
    clients = {"sagemaker": sagemaker.client, "logs": Logs("one", "two")}
    monkeypatch.setattr(Account, "client", lambda _, service: clients[service])
    with pytest.raises(WorkFailed) as told_of:
        scoring.result()
    assert str(told_of.value) == (
        "The job job, which scores the live model, ended as Failed: evaluate: no pictures\n"
        "The last lines of its log:\n  one\n  two"
    )


def past(*artifacts):
    return [
        Past(one, one.split("/")[1][:8] if "/" in one else one, f"day {number}", "")
        for number, one in enumerate(artifacts)
    ]


@pytest.mark.parametrize(
    ("entries", "serving", "rejected", "back_to"),
    [
        ((NEW, OLD, "starter"), NEW, [], OLD),
        ((OLD, NEW, OLD, "starter"), OLD, [NEW], "starter"),
        ((NEW, OLD, "starter"), NEW, [OLD], "starter"),
        (("starter", NEW, OLD), "starter", [NEW], OLD),
        ((NEW, OLD, "starter"), OLD, [], OLD),
        ((NEW, OLD, "starter"), OLD, [NEW], OLD),
        ((NEW, "starter"), "starter", [], "starter"),
    ],
    ids=[
        "the one before",
        "a second time",
        "over a rejected one",
        "from the starter",
        "to what SageMaker went back to",
        "to that, when interrupted",
        "to the starter, which SageMaker went back to",
    ],
)
def test_back_leads_to_the_youngest_that_was_not_rejected(entries, serving, rejected, back_to):
    versions = {one: version(1, one, "Rejected" if one in rejected else "Approved") for one in (NEW, OLD)}
    assert way_back(past(*entries), serving, versions).artifact == back_to


def test_back_is_nowhere_where_all_others_were_rejected():
    with pytest.raises(OperatorError, match="there is nothing to go back to"):
        way_back(past(NEW, OLD), NEW, {OLD: version(1, OLD, "Rejected")})


def test_back_is_nowhere_from_a_model_that_no_deploy_knows():
    with pytest.raises(OperatorError, match=f"serves {OLD}, which no deploy of this stage has written down"):
        way_back(past(NEW, "starter"), OLD, {})


@pytest.mark.parametrize("serving", [NEW, OLD], ids=["by choice", "after SageMaker has gone back"])
def test_what_was_deployed_last_is_rejected_and_what_served_before_it_written(serving, stage, monkeypatch, capsys):
    """SageMaker may have gone back already: the good model that serves is not rejected."""
    rejected, made = [], []

    def make(_change, wanted, before, *, decide, **_):
        decide()
        made.append((wanted.artifact, before.artifact))
        return Changed(Path("dev.toml"), "diff", [], True)

    versions = [version(1, NEW), version(2, OLD)]
    now = Live("endpoint", "config", "InService", "", (Served("primary", serving, 1.0, "ml.x"),))
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(Stage, "client", lambda *_: None)
    monkeypatch.setattr(Stage, "output", lambda *_: "group")
    monkeypatch.setattr(Registry, "versions", lambda _: versions)
    monkeypatch.setattr(Registry, "reject", lambda _, one, **__: rejected.append(one.number))
    monkeypatch.setattr(ServingChange, "make", make)
    for name, told_ in (("live", now), ("past", past(NEW, OLD)), ("who", "me")):
        monkeypatch.setattr(rolling_back, name, lambda _, told_=told_: told_)
    words = Namespace(stage="dev", stages=None, reason=None, no_deploy=False, with_other_changes=False, json=True)
    assert rolling_back.run(words) == 0
    assert (rejected, made) == ([1], [(OLD, NEW)])
    said = json.loads(capsys.readouterr().out)
    assert (said["from"], said["artifact"]) == (NEW, OLD)


def test_what_differs_is_named_by_its_place_in_the_template():
    ours = {"Resources": {"A": 1, "B": 2}, "Outputs": {"X": 1}}
    assert differing({"Resources": {"A": 1, "C": 3}, "Outputs": {"X": 2}}, ours) == ["B", "C", "X"]
    assert differing(ours, ours) == []
    noted = {"Resources": {"A": {"Type": "X", "Metadata": {"aws:cdk:path": "A/B"}}}}
    assert differing(noted, {"Resources": {"A": {"Type": "X"}}}) == []
    assert differing(noted, {"Resources": {"A": {"Type": "X", "Metadata": {"own": 1}}}}) == ["A"]


def test_a_version_is_approved_with_who_and_why_and_only_once():
    calls = []

    class Client:
        def update_model_package(self, **update):
            calls.append(update)

    registry = Registry(Client(), "group")
    registry.approve(version(1, NEW, "PendingManualApproval"), reason="better", by="arn:me", at="now")
    registry.approve(version(1, NEW), reason="again", by="arn:me", at="later")
    assert calls == [
        {
            "ModelPackageArn": "arn/1",
            "ModelApprovalStatus": "Approved",
            "ApprovalDescription": "better",
            "CustomerMetadataProperties": {"approved_by": "arn:me", "approved_at": "now"},
        }
    ]


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """A change of the served model whose CDK is left out; calling it says what was decided."""
    shutil.copy("config/dev.toml", tmp_path / "dev.toml")
    deployed = Stage("dev", load_stage("dev")[0], Account("us-east-1", {}, "111122223333"), tmp_path)
    monkeypatch.setattr(Stage, "find", lambda *_: {})
    monkeypatch.setattr(change.StageChange, "synthesized", lambda *_, **__: change.Assembly(tmp_path))
    monkeypatch.setattr(change.StageChange, "diff", lambda *_: "diff")

    def made(*others):
        monkeypatch.setattr(change.StageChange, "other_changes", lambda *_: list(others))
        said = []
        with contextlib.suppress(Refused):
            ServingChange(deployed, Steps()).make(
                Promoted(f"models/{'0' * 64}/model.tar.gz", "9"),
                Promoted("starter", "starter"),
                decide=lambda: said.append((tmp_path / "dev.toml").read_text()),
                deploy=bool(others),
                with_other_changes=False,
            )
        return said, (tmp_path / "dev.toml").read_text()

    return made


def test_what_is_refused_is_not_decided_either(serving):
    before = Path("config/dev.toml").read_text()
    assert serving("whippet-dev-serving/Other") == ([], before)


def test_the_registry_hears_of_it_before_the_stage_file_says_it(serving):
    before = Path("config/dev.toml").read_text()
    decided, after = serving()
    assert decided == [before]
    assert 'version = "9"' in after


@pytest.mark.parametrize(("anew", "calls"), [(False, 0), (True, 1)])
def test_an_approval_stays_as_it_was_said_unless_somebody_insists(sagemaker, anew, calls):
    for _ in range(calls):
        expected = {
            "ModelPackageArn": "arn/1",
            "ModelApprovalStatus": "Approved",
            "ApprovalDescription": "I insist",
            "CustomerMetadataProperties": {"approved_by": "me", "approved_at": "now"},
        }
        arn = "arn:aws:sagemaker:us-east-1:111122223333:model-package/g/1"
        sagemaker.add_response("update_model_package", {"ModelPackageArn": arn}, expected)
    Registry(sagemaker.client, "g").approve(version(1, NEW), reason="I insist", by="me", at="now", anew=anew)
    sagemaker.assert_no_pending_responses()
