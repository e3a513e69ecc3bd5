"""Runs of pipelines: jobs in the order that references ask for, under the roles that the definition names."""

import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.jobs import TOOLKIT, archive, channel
from tests.local.runs import CLUSTER, condition, fail, get, over, processing, run, steps_of

pytestmark = pytest.mark.xdist_group(__name__)
WRITE = "open('/opt/ml/processing/report/scores.json', 'w').write('{\"accuracy\": 0.75, \"of\": [{\"n\": 4}]}')"
SCRIPT = "import sys; flag, rate = sys.argv[1:]; assert flag == '--rate'; print(f'score={1 - float(rate)}')"
SCORES = {"PropertyFileName": "Scores", "OutputName": "report", "FilePath": "scores.json"}


def json_get(path):
    return {"Std:JsonGet": {"PropertyFile": get("Steps.Score.PropertyFiles.Scores"), "Path": path}}


def at_least(value, least):
    return {"Type": "GreaterThanOrEqualTo", "LeftValue": value, "RightValue": least}


def register(group, image=TOOLKIT, url="s3://bucket/model.tar.gz"):
    containers = [{"Image": image, "ModelDataUrl": url}]
    specification = {"Containers": containers, "SupportedContentTypes": ["image/jpeg"]}
    arguments = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {**specification, "SupportedResponseMIMETypes": ["application/json"]},
    }
    return {"Name": "Register", "Type": "RegisterModel", "Arguments": arguments}


def script_mode(embedded, bucket):
    """Members that a tuning and a training step share, and the hyperparameters of script mode."""
    uri = embedded.put(bucket, "code/source.tar.gz", archive(**{"it.py": SCRIPT}))
    shared = {
        "AlgorithmSpecification": {
            "TrainingImage": TOOLKIT,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
        },
        "RoleArn": embedded.role(ALLOW_ALL),
        "InputDataConfig": [channel("code", uri)],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
        "ResourceConfig": CLUSTER,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    told = {"sagemaker_program": "it.py", "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz"}
    return shared, told


def test_a_run_tunes_trains_scores_decides_and_registers(embedded):
    bucket, group, sagemaker = embedded.bucket(), fresh("group"), embedded.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    shared, told = script_mode(embedded, bucket)
    ranges = [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.4", "ScalingType": "Logarithmic"}]
    tune = {
        "Name": "Tune",
        "Type": "Tuning",
        "Arguments": {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ParameterRanges": {"ContinuousParameterRanges": ranges},
                "RandomSeed": 1,
            },
            "TrainingJobDefinition": {**shared, "StaticHyperParameters": told},
        },
    }
    best = get("Steps.Tune.BestTrainingJob.TunedHyperParameters['rate']")
    train = {"Name": "Train", "Type": "Training", "Arguments": {**shared, "HyperParameters": {**told, "rate": best}}}
    folder = {"Std:Join": {"On": "/", "Values": [f"s3://{bucket}", get("Execution.PipelineExecutionId"), "report"]}}
    model = {"Environment": {"MODEL": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}}
    role = embedded.role(ALLOW_ALL)
    score = processing("Score", WRITE, role, {"report": folder}, PropertyFiles=[SCORES], arguments=model)
    url = get("Steps.Train.ModelArtifacts.S3ModelArtifacts")
    decide = condition(
        "Decide",
        [at_least(json_get("accuracy"), get("Parameters.Least"))],
        [register(group, url=url)],
        [fail("Refuse", "no")],
    )
    least = {"Name": "Least", "Type": "Float", "DefaultValue": 0.9}
    arn = run(embedded, decide, score, train, tune, parameters=[least], given={"Least": "0.7"})
    found, steps = over(embedded, arn)
    assert found["PipelineExecutionStatus"] == "Succeeded", steps
    assert {name: one["StepStatus"] for name, one in steps.items()} == dict.fromkeys(
        ["Tune", "Train", "Score", "Decide", "Register"], "Succeeded"
    )
    assert steps["Decide"]["Metadata"]["Condition"]["Outcome"] == "true"
    assert (
        steps["Tune"]["EndTime"]
        <= steps["Train"]["StartTime"]
        <= steps["Train"]["EndTime"]
        <= steps["Score"]["StartTime"]
    )
    tuning = sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=steps["Tune"]["Metadata"]["TuningJob"]["Arn"].rsplit("/")[-1]
    )
    trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning["HyperParameterTuningJobName"]
    )["TrainingJobSummaries"]
    scores = {
        one["TunedHyperParameters"]["rate"]: one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for one in trials
    }
    assert len(scores) == 2 and tuning["TrainingJobStatusCounters"]["Completed"] == 2
    chosen = tuning["BestTrainingJob"]["TunedHyperParameters"]["rate"]
    assert scores[chosen] == max(scores.values())
    trained = sagemaker.describe_training_job(
        TrainingJobName=steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/")[-1]
    )
    assert trained["HyperParameters"]["rate"] == chosen
    package = sagemaker.describe_model_package(ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"])
    assert package["ModelPackageVersion"] == 1 and package["ModelApprovalStatus"] == "PendingManualApproval"
    assert (
        package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        == trained["ModelArtifacts"]["S3ModelArtifacts"]
    )
    tags = sagemaker.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"]
    assert {"Key": "sagemaker:pipeline-execution-arn", "Value": arn} in tags


def test_a_run_that_decides_against_fails_in_the_words_of_its_fail_step(embedded):
    role, bucket = embedded.role(ALLOW_ALL), embedded.bucket()
    score = processing("Score", WRITE, role, {"report": f"s3://{bucket}/r"}, PropertyFiles=[SCORES])
    words = {"Std:Join": {"On": " ", "Values": ["of", json_get("of[0].n"), "pictures"]}}
    decide = condition(
        "Decide", [at_least(json_get("accuracy"), 0.8)], [processing("Never", "", role)], [fail("Refuse", words)]
    )
    found, steps = over(embedded, run(embedded, score, decide))
    assert found["PipelineExecutionStatus"] == "Failed"
    assert steps["Decide"]["Metadata"]["Condition"]["Outcome"] == "false"
    assert steps["Refuse"]["FailureReason"] == steps["Refuse"]["Metadata"]["Fail"]["ErrorMessage"] == "of 4 pictures"
    assert "Never" not in steps


def test_a_step_that_fails_keeps_what_follows_from_starting(embedded):
    role = embedded.role(ALLOW_ALL)
    broken = processing("Broken", "open('/opt/ml/output/message', 'w').write('no pictures'); exit(1)", role)
    after = processing("After", "", role, DependsOn=["Broken"])
    found, steps = over(embedded, run(embedded, broken, after))
    assert found["PipelineExecutionStatus"] == "Failed" and "Broken" in found["FailureReason"]
    assert steps["Broken"]["FailureReason"] == "AlgorithmError: no pictures, exit code: 1"
    assert set(steps) == {"Broken"}


def test_steps_run_side_by_side_up_to_the_pipelines_limit(embedded):
    role = embedded.role(ALLOW_ALL)
    three = [processing(name, "import time; time.sleep(0.3)", role) for name in ("A", "B", "C")]
    _, steps = over(embedded, run(embedded, *three, ParallelismConfiguration={"MaxParallelExecutionSteps": 2}))
    one, two, last = sorted(steps.values(), key=lambda step: step["StartTime"])
    assert two["StartTime"] < one["EndTime"]
    assert last["StartTime"] >= min(one["EndTime"], two["EndTime"])


def test_a_stopped_run_stops_its_jobs(embedded):
    sagemaker, role = embedded.client("sagemaker"), embedded.role(ALLOW_ALL)
    arn = run(
        embedded,
        processing("Wait", "import time; time.sleep(60)", role),
        processing("Then", "", role, DependsOn=["Wait"]),
    )
    deadline = time.monotonic() + 20
    while "Metadata" not in steps_of(embedded, arn).get("Wait", {}):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(ClientError, match="ConflictException.*on their way"):
        sagemaker.delete_pipeline(PipelineName=arn.split("/")[1], ClientRequestToken=uuid.uuid4().hex)
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
    found, steps = over(embedded, arn)
    assert found["PipelineExecutionStatus"] == "Stopped"
    assert {name: one["StepStatus"] for name, one in steps.items()} == {"Wait": "Stopped"}
    job = steps["Wait"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/")[-1]
    assert sagemaker.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Stopped"


def test_a_run_may_what_its_pipelines_role_may(embedded):
    step_role = embedded.role(ALLOW_ALL)
    jobs = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/pipelines-*"
    start = statement(["sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "sagemaker:AddTags"], jobs)
    for statements, status in (([start], "Failed"), ([start, statement("iam:PassRole", step_role)], "Succeeded")):
        found, steps = over(embedded, run(embedded, processing("One", "", step_role), role=embedded.role(*statements)))
        assert found["PipelineExecutionStatus"] == status, steps
        assert status == "Succeeded" or "iam:PassRole" in steps["One"]["FailureReason"]


def test_a_failing_step_is_told_to_eventbridge(embedded):
    events, sqs, name = embedded.client("events"), embedded.client("sqs"), fresh("rule")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kind = "SageMaker Model Building Pipeline Execution Step Status Change"
    pattern = {"source": ["aws.sagemaker"], "detail-type": [kind], "detail": {"currentStepStatus": ["Failed"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        over(embedded, started := run(embedded, fail("Refuse", "not good enough")))
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    finally:
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
    detail = json.loads(message["Body"])["detail"]
    assert (detail["stepName"], detail["failureReason"]) == ("Refuse", "not good enough")
    assert detail["pipelineExecutionArn"] == started


def test_a_runs_parameters_are_of_their_types(embedded):
    number = {"Name": "Least", "Type": "Integer", "DefaultValue": 1}
    with pytest.raises(ClientError, match="Least = 'many' is no Integer"):
        run(embedded, fail("Refuse", "no"), parameters=[number], given={"Least": "many"})
    arn = run(
        embedded,
        fail("Refuse", {"Std:Join": {"On": "", "Values": ["at least ", get("Parameters.Least")]}}),
        parameters=[number],
        given={"Least": "7"},
    )
    _, steps = over(embedded, arn)
    assert steps["Refuse"]["FailureReason"] == "at least 7"
    sagemaker = embedded.client("sagemaker")
    assert sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"] == [
        {"Name": "Least", "Value": "7"}
    ]
