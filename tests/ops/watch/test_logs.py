"""Logs of a stage's parts: merged, each event once, and never obeyed by the terminal."""

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import pytest

from ops.errors import OperatorError
from ops.stage import Stage
from ops.watch import logs
from ops.watch.log_sources import Source, Sources, sources_of
from tests.ops.stubbed import scripted

START = datetime(2026, 11, 21, tzinfo=UTC)
MS = int(START.timestamp() * 1000)


def event(second, message, stream="s", number=None):
    return {
        "timestamp": MS + 1000 * second,
        "message": message,
        "logStreamName": stream,
        **({"eventId": str(number)} if number is not None else {}),
    }


def reader(monkeypatch, *answers, pattern=""):
    _, script = scripted(monkeypatch)
    for answer in answers:
        if isinstance(answer, str):
            script.refuses("logs", "filter_log_events", answer)
        else:
            script.says("logs", "filter_log_events", {"events": list(answer)})
    return logs.Reader(script.client("logs"), pattern)


def test_streams_of_several_groups_are_merged_by_time(monkeypatch):
    found = reader(monkeypatch, [event(2, "two"), event(0, "zero")], [event(1, "one")])
    lines = found.read([Source("/a"), Source("/b", step="Train")], START)
    assert [(line.message, line.step) for line in lines] == [("zero", ""), ("one", "Train"), ("two", "")]


def test_an_event_is_given_once_however_often_it_is_found(monkeypatch):
    found = reader(monkeypatch, [event(0, "a", number=1)], [event(0, "a", number=1), event(1, "b", number=2)])
    assert [line.message for line in found.read([Source("/a")], START)] == ["a"]
    assert [line.message for line in found.read([Source("/a")], START)] == ["b"]


def test_a_group_that_comes_with_its_first_line_is_no_fault(monkeypatch):
    assert reader(monkeypatch, "ResourceNotFoundException").read([Source("/a")], START) == []


def test_what_is_looked_for_is_asked_of_cloudwatch(monkeypatch):
    _, script = scripted(monkeypatch)
    asked = {"logGroupName": "/a", "startTime": MS, "logStreamNamePrefix": "job/", "filterPattern": "ERROR"}
    script.says("logs", "filter_log_events", {"events": []}, asked)
    logs.Reader(script.client("logs"), "ERROR").read([Source("/a", "job/")], START)
    script.done()


def test_following_a_job_ends_with_it_and_gives_what_came_last(monkeypatch):
    found = reader(monkeypatch, [event(0, "a")], [event(0, "a"), event(1, "b")], [event(1, "b"), event(2, "c")])
    over = iter([False, False, True])
    sources = Sources(lambda: [Source("/a")], lambda: next(over))
    assert [line.message for line in logs._followed(found, sources, START, 0)] == ["a", "b", "c"]


def test_a_terminal_is_shown_control_codes_and_does_not_obey_them(capsys):
    logs._write(logs.Line(START, "s", "", "\x1b[2Jred\x07\x9b31m", "1"), as_json=False)
    assert capsys.readouterr().out == "00:00:00  [2Jred31m\n"


@pytest.mark.parametrize(
    ("said", "age"), [("30s", timedelta(seconds=30)), ("2h", timedelta(hours=2)), ("3d", timedelta(days=3))]
)
def test_ages(said, age):
    assert logs._age(said) == age


def test_an_age_that_is_none_is_a_sentence():
    with pytest.raises(OperatorError, match='--since yesterday is no age: say it as "30s"'):
        logs._age("yesterday")


def test_functions_write_where_they_say_themselves(monkeypatch):
    stage, script = scripted(monkeypatch, {"api": {"PredictFunctionName": "f"}})
    script.says("lambda", "get_function_configuration", {"LoggingConfig": {"LogGroup": "/own/group"}})
    assert sources_of(stage, "predict", None).now() == [Source("/own/group")]


def test_the_last_training_is_the_stages_own_not_the_accounts(monkeypatch):
    stage, script = scripted(monkeypatch, {"training": {"TrainingRoleArn": "arn:aws:iam::111122223333:role/ours"}})
    summary = {
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/x",
        "CreationTime": START,
        "TrainingJobStatus": "Completed",
    }
    listed = [{**summary, "TrainingJobName": name} for name in ("theirs", "ours")]
    script.says("sagemaker", "list_training_jobs", {"TrainingJobSummaries": listed})
    for name, role in (("theirs", "theirs"), ("ours", "ours"), ("ours", "ours")):
        described = {
            "TrainingJobName": name,
            "TrainingJobArn": summary["TrainingJobArn"],
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
            "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Completed",
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "ResourceConfig": {"VolumeSizeInGB": 1},
            "StoppingCondition": {},
            "CreationTime": START,
            "RoleArn": f"arn:aws:iam::111122223333:role/{role}",
        }
        script.says("sagemaker", "describe_training_job", described)
    found = sources_of(stage, "training", None)
    assert (found.now(), found.since) == ([Source("/aws/sagemaker/TrainingJobs", "ours/")], START)


def test_a_job_that_is_not_there_is_a_sentence(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.refuses("sagemaker", "describe_training_job", "ValidationException", "Requested resource not found.")
    with pytest.raises(OperatorError, match="There is no training job tset in this account and region"):
        sources_of(stage, "training", "tset")


def test_a_run_that_is_not_there_names_the_last(monkeypatch):
    stage, script = scripted(monkeypatch, {"training": {"PipelineName": "p"}})
    runs = [
        {
            "PipelineExecutionArn": f"arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/{number}"
            + "0" * 11,
            "PipelineExecutionStatus": "Succeeded",
            "StartTime": START,
        }
        for number in range(2)
    ]
    for _ in range(2):
        script.says("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": runs})
    with pytest.raises(OperatorError, match="has no run nine; its last are 000000000000, 100000000000"):
        sources_of(stage, "pipeline", "nine")


def test_a_run_writes_by_its_jobs_and_a_tuning_by_its_trials(monkeypatch):
    stage, script = scripted(monkeypatch, {"training": {"PipelineName": "p"}})
    arn = "arn:aws:sagemaker:us-east-1:111122223333:"
    run = {"PipelineExecutionArn": f"{arn}pipeline/p/execution/{'a' * 12}", "PipelineExecutionStatus": "Succeeded"}
    script.says("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": [{**run, "StartTime": START}]})
    steps = [
        {"StepName": name, "StepStatus": "Succeeded", "Metadata": {kind: {"Arn": f"{arn}{kind}/job-of-{name}"}}}
        for name, kind in (("Prepare", "ProcessingJob"), ("Tune", "TuningJob"), ("Register", "RegisterModel"))
    ]
    script.says("sagemaker", "list_pipeline_execution_steps", {"PipelineExecutionSteps": steps})
    trial = {
        "TrainingJobName": "trial",
        "TrainingJobArn": f"{arn}training-job/trial",
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {},
        "CreationTime": START,
    }
    script.says("sagemaker", "list_training_jobs_for_hyper_parameter_tuning_job", {"TrainingJobSummaries": [trial]})
    assert sources_of(stage, "pipeline", None).now() == [
        Source("/aws/sagemaker/ProcessingJobs", "job-of-Prepare/", "Prepare"),
        Source("/aws/sagemaker/TrainingJobs", "trial/", "Tune"),
    ]


def test_as_json_it_is_one_document_and_what_is_followed_one_a_line(monkeypatch, capsys):
    stage, _ = scripted(monkeypatch)
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(logs, "sources_of", lambda *_: Sources(lambda: [Source("/a")], lambda: True))
    monkeypatch.setattr(logs.Reader, "read", lambda *_: [logs.Line(START, "s", "Train", "m", "1")] * 2)
    words = {"stage": "dev", "stages": None, "part": "training", "name": None, "since": "", "filter": "", "json": True}
    document = {"at": "2026-11-21T00:00:00.000+00:00", "stream": "s", "message": "m", "step": "Train"}
    assert logs.run(Namespace(follow=False, **words)) == 0
    assert json.loads(capsys.readouterr().out) == [document] * 2
    assert logs.run(Namespace(follow=True, **words)) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [document] * 2
