"""A model scored on the test pictures beside its training: when, by what request, and what is said where it is not."""

from types import SimpleNamespace

import pytest

from ops.errors import WorkFailed
from ops.prices import Prices
from ops.work import held_out as module
from ops.work import scoring as scorings
from ops.work.held_out import HeldOut, held_out, prepared_for
from ops.work.jobs import PROCESSING, TRAINING, Job, is_own_name
from ops.work.requests import LONGEST_NAME, validated
from ops.work.scoring import Scoring
from tests.ops.work.pipeline import ROLES, deployed
from tests.ops.work.test_compare import BEGAN, job

RUN = "s3://bucket/runs/r"


def channel(name, uri):
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri}}}


def stage(own_jobs="whippet-dev-", **clients):
    return SimpleNamespace(
        name="dev",
        names=SimpleNamespace(own_jobs=own_jobs),
        client=clients.get,
        output=lambda *_: "whippet-dev-training",
        config=SimpleNamespace(data=SimpleNamespace(run_days=30)),
        account=SimpleNamespace(region="us-east-1", poll_seconds=0.0),
        prices=Prices("us-east-1"),
    )


def trial(status="Completed", *channels):
    document = {
        **job("t-1"),
        "TrainingJobStatus": status,
        "InputDataConfig": [*channels] or [channel("train", f"{RUN}/data/train/")],
        "OutputDataConfig": {"S3OutputPath": f"{RUN}/trials"},
        "ModelArtifacts": {"S3ModelArtifacts": f"{RUN}/trials/t-1/output/model.tar.gz"},
    }
    return Job(TRAINING, document)


@pytest.fixture
def aws(monkeypatch):
    """What there is in AWS, as a scoring sees it; followed jobs are kept."""
    found = SimpleNamespace(report=None, model=True, pictures=True, jobs={}, followed=[], fails=False)
    monkeypatch.setattr(Scoring, "known", lambda _: found.report)
    monkeypatch.setattr(Scoring, "model_is_there", lambda _: found.model)
    monkeypatch.setattr(Scoring, "pictures_are_there", lambda _: found.pictures)
    monkeypatch.setattr(Scoring, "job", lambda _, status: found.jobs.get(status))
    monkeypatch.setattr(Scoring, "under_way", lambda _: "score-1")

    def follow(_stage, _kind, name, *, returning, telling):
        found.followed.append((name, returning))
        if found.fails:
            raise WorkFailed(f"The processing job {name} failed: no pictures\nIt has no log.")
        found.report = {"accuracy": 0.5, "macro_f1": 0.4}
        found.jobs["Completed"] = scored()

    monkeypatch.setattr(module, "follow", follow)
    return found


def scored(status="Completed", **more):
    cluster = {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}}
    times = {"CreationTime": BEGAN, "ProcessingStartTime": BEGAN, "ProcessingEndTime": BEGAN.replace(minute=1)}
    named = {"ProcessingJobName": "score-1", "ProcessingJobStatus": status, "ProcessingResources": cluster}
    return Job(PROCESSING, {**named, **times, **more})


def told(start=None, of=None):
    return held_out(stage(), of or trial(), start=start, returning="python -m ops compare")


def test_what_no_training_told_is_scored_once_with_its_cost(aws):
    first, second = told(), told()
    assert (first.accuracy, first.macro_f1, first.job, first.billed_seconds) == (0.5, 0.4, "score-1", 60)
    assert first.dollars == pytest.approx(0.23 / 60)
    assert second == first
    assert aws.followed == [("score-1", "python -m ops compare")]
    assert "scored by score-1, 60 s billed, 0.0038 USD" in first.told()


def test_nothing_is_started_that_is_not_wanted_and_what_is_known_is_told_all_the_same(aws):
    assert "would score it: `python -m ops compare --stage dev`" in told(start=False).told()
    assert aws.followed == []
    aws.report = {"accuracy": 0.5, "macro_f1": 0.4}
    assert told(start=False).accuracy == 0.5


def test_a_scoring_that_failed_is_not_paid_again_unless_somebody_wants_it(aws):
    aws.jobs["Failed"] = scored("Failed", ExitMessage="no pictures", FailureReason="AlgorithmError: long")
    assert told().remark == "the job score-1, which was to score it, failed: no pictures; once more with --score"
    assert aws.followed == []
    assert told(start=True).accuracy == 0.5


def test_a_scoring_that_fails_leaves_the_comparison_standing(aws):
    aws.fails = True
    assert told() == HeldOut(remark="The processing job score-1 failed: no pictures")


@pytest.mark.parametrize(
    ("lacking", "said"), [("model", "its model is not in the bucket"), ("pictures", "its test pictures are not in")]
)
def test_what_is_gone_is_said_before_anything_is_started(aws, lacking, said):
    setattr(aws, lacking, False)
    assert said in told().remark
    assert aws.followed == []


def test_a_training_that_has_not_ended_well_is_not_scored(aws):
    assert told(of=trial("InProgress")).remark == "its training is InProgress"


def test_pictures_are_those_that_the_training_learnt_from():
    features = trial("Completed", channel("features", f"{RUN}/features/")).document
    assert prepared_for(stage(), trial().document) == f"{RUN}/data"
    assert prepared_for(stage(), features) == f"{RUN}/data"
    assert prepared_for(stage(), trial("Completed", channel("code", "s3://code")).document) is None


def test_pictures_of_features_that_a_job_of_ours_computed_are_those_that_it_read():
    def described(ProcessingJobName):
        assert ProcessingJobName == name
        return {"ProcessingInputs": [{"InputName": "train", "S3Input": {"S3Uri": f"{RUN}/data/train/"}}]}

    name = "whippet-dev-features-1121-184226g4"
    found = trial("Completed", channel("features", f"s3://bucket/runs/{name}/features/")).document
    assert prepared_for(stage(sagemaker=SimpleNamespace(describe_processing_job=described)), found) == f"{RUN}/data"


def test_the_request_is_the_deployed_steps_with_other_places_and_publishes_nothing(monkeypatch):
    import boto3  # noqa: PLC0415

    client = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(scorings.Definition, "deployed", lambda *_: deployed())
    scoring = Scoring(stage(sagemaker=client), f"{RUN}/trials/t-1/output/model.tar.gz", f"{RUN}/data", f"{RUN}/e/t-1")
    request = validated(client, "CreateProcessingJob", {"ProcessingJobName": "n", **scoring._request()})
    assert request["RoleArn"] == ROLES["Evaluate"]
    read = {one["InputName"]: one["S3Input"]["S3Uri"] for one in request["ProcessingInputs"]}
    assert (read["model"], read["test"]) == (f"{RUN}/trials/t-1/output/model.tar.gz", f"{RUN}/data/test/")
    (output,) = request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == f"{RUN}/e/t-1"
    assert "--publish" not in request["AppSpecification"]["ContainerArguments"]


@pytest.mark.parametrize("own_jobs", ["whippet-dev-", f"{'p' * 40}-{'s' * 40}-"])
def test_a_scorings_name_is_known_again_and_never_too_long(own_jobs):
    one, other = (Scoring(stage(own_jobs), model, "p", "o")._name for model in ("a", "b"))
    assert one != other
    assert len(f"{one}-1795297912") <= LONGEST_NAME
    assert is_own_name(stage(own_jobs), f"{one}-1795297912") is (own_jobs == "whippet-dev-")
