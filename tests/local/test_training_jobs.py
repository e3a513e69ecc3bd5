"""Training jobs as processes: their contract, their role, their statuses and how they end."""

import json
import re
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from local import cli
from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.jobs import archive, channel, ended, training, training_request, unpacked, written

pytestmark = pytest.mark.xdist_group(__name__)

TELL = """
import json, os, pathlib
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
files = {str(path.relative_to(base)): path.read_text() for path in base.rglob("*") if path.is_file()}
print("loss=0.5\\nloss=0.25")
(base / "model/seen.json").write_text(json.dumps({"files": files, "environment": dict(os.environ)}))
(base / "output/data/table.csv").write_text("a,b")
"""
SLEEP = "import time; time.sleep(60)"
ROUNDS = """
import os, pathlib, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
place = base / "checkpoints" / "round"
done = int(place.read_text()) if place.exists() else 0
place.write_text(str(done + 1))
if done == 0:
    time.sleep(60)
(base / "model/rounds").write_text(place.read_text())
"""


def test_a_job_sees_its_contract_and_leaves_its_model(embedded):
    bucket = embedded.bucket()
    for key in ("data/ring/1.txt", "data/2.txt", "database/3.txt"):
        embedded.put(bucket, key, key.encode())
    job = training(
        embedded,
        TELL,
        bucket=bucket,
        InputDataConfig=[channel("train", f"s3://{bucket}/data/")],
        HyperParameters={"epochs": "3", "code": "/opt/ml/code"},
        Environment={"PLACE": "/opt/ml/code/x"},
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
    )
    found = ended(embedded, job)
    assert found["TrainingJobStatus"] == "Completed", found
    assert found["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/out/{job}/output/model.tar.gz"
    seen = json.loads(unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])
    files, environment = seen["files"], seen["environment"]
    assert files["input/data/train/ring/1.txt"] == "data/ring/1.txt"
    assert {name for name in files if name.startswith("input/data/train")} == {
        "input/data/train/ring/1.txt",
        "input/data/train/2.txt",
    }
    base = environment["SAGEMAKER_BASE_DIR"]
    assert json.loads(files["input/config/hyperparameters.json"]) == {"epochs": "3", "code": f"{base}/code"}
    assert environment["PLACE"] == f"{base}/code/x"
    assert json.loads(files["input/config/inputdataconfig.json"])["train"]["TrainingInputMode"] == "File"
    resources = json.loads(files["input/config/resourceconfig.json"])
    assert resources["hosts"] == [resources["current_host"]]
    assert unpacked(embedded, f"s3://{bucket}/out/{job}/output/output.tar.gz") == {"table.csv": "a,b"}
    (metric,) = found["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.25)
    passed = [one["Status"] for one in found["SecondaryStatusTransitions"]]
    assert passed == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_a_job_works_as_its_role_and_what_it_says_is_in_its_log(embedded):
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    role = embedded.role(ALLOW_ALL)
    job = training(embedded, program, role=role)
    assert ended(embedded, job)["TrainingJobStatus"] == "Completed"
    logs, group = embedded.client("logs"), "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job)["logStreams"]
    assert stream["logStreamName"].startswith(f"{job}/algo-1-")
    (event,) = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert event["message"].startswith(f"arn:aws:sts::000000000000:assumed-role/{role.rsplit('/', 1)[-1]}/")


def test_an_isolated_job_has_nobodys_credentials(embedded):
    program = "import os; open('/opt/ml/model/names', 'w').write(' '.join(os.environ))"
    found = ended(embedded, training(embedded, program, EnableNetworkIsolation=True))
    names = unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"])["names"]
    assert "SAGEMAKER_BASE_DIR" in names and "AWS_ACCESS_KEY_ID" not in names and "AWS_ENDPOINT_URL" not in names


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            "open('/opt/ml/output/failure', 'w').write('no pictures'); exit(3)",
            "AlgorithmError: no pictures, exit code: 3",
        ),
        ("exit(1)", "AlgorithmError: See job logs for more information, exit code: 1"),
        ("import os; os.kill(os.getpid(), 9)", "AlgorithmError: See job logs for more information, exit code: 137"),
    ],
    ids=["in its own words", "without a word", "killed"],
)
def test_a_job_that_fails_says_why(embedded, program, reason):
    found = ended(embedded, training(embedded, program))
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Failed", "Failed")
    assert found["FailureReason"] == reason
    assert "ModelArtifacts" not in found


def test_script_mode_runs_the_submitted_program_with_its_flags(embedded):
    bucket = embedded.bucket()
    script = "import os, sys; open(os.environ['SM_MODEL_DIR'] + '/flags', 'w').write(' '.join(sys.argv[1:]))"
    embedded.put(bucket, "code/source.tar.gz", archive(**{"fit/it.py": script}))
    told = {
        "sagemaker_program": "fit/it.py",
        "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz",
        "epochs": "3",
        "flip": "true",
        "name": '"dogs"',
    }
    code = channel("code", f"s3://{bucket}/code/source.tar.gz")
    found = ended(embedded, training(embedded, bucket=bucket, HyperParameters=told, InputDataConfig=[code]))
    assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    assert unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"]) == {
        "flags": "--epochs 3 --flip True --name dogs"
    }


def test_script_mode_says_what_it_lacks(embedded):
    told = {"sagemaker_program": "it.py", "sagemaker_submit_directory": "/opt/ml/input/data/code/x.tar.gz"}
    found = ended(embedded, training(embedded, HyperParameters=told))
    assert re.match(
        r"AlgorithmError: ClientError: sagemaker_submit_directory = \S+/code/x.tar.gz is no readable tar.gz",
        found["FailureReason"],
    )


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([statement("ecr:*", "*")], "Data download failed: could not list s3://"),
        ([statement(["ecr:*", "s3:ListBucket"], "*")], "Data download failed: could not read s3://"),
        ([statement(["s3:*", "ecr:Batch*", "ecr:GetAuthorizationToken"], "*")], "could not be pulled.*GetDownloadUrl"),
        (
            [statement(["ecr:*", "s3:ListBucket", "s3:GetObject"], "*")],
            "could not write s3://.*model.tar.gz.*s3:PutObject",
        ),
    ],
    ids=["list", "read", "pull", "write"],
)
def test_a_role_that_may_not_lets_its_job_fail_by_name(embedded, statements, reason):
    bucket = embedded.bucket()
    embedded.put(bucket, "data/1", b"1")
    data = channel("train", f"s3://{bucket}/data/")
    role = embedded.role(*statements)
    found = ended(embedded, training(embedded, "", role=role, bucket=bucket, InputDataConfig=[data]))
    assert found["TrainingJobStatus"] == "Failed"
    assert re.search(reason, found["FailureReason"]), found["FailureReason"]


def test_an_empty_channel_fails_the_job(embedded):
    bucket = embedded.bucket()
    found = ended(embedded, training(embedded, "", InputDataConfig=[channel("train", f"s3://{bucket}/none/")]))
    assert "No S3 objects found under S3 URL" in found["FailureReason"]


def test_a_stopped_job_is_told_and_keeps_its_model(embedded):
    program = """
import os, pathlib, signal, sys, time
part = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model/part"
def leave(*_):
    part.write_text("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
part.write_text("ready")
time.sleep(60)
"""
    bucket = embedded.bucket()
    job = training(embedded, program, bucket=bucket)
    # Its handler stands by then.
    written(embedded, job, "model/part")
    embedded.client("sagemaker").stop_training_job(TrainingJobName=job)
    found = ended(embedded, job)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert unpacked(embedded, f"s3://{bucket}/out/{job}/output/model.tar.gz") == {"part": "half"}


def test_a_job_that_overruns_is_stopped(embedded):
    found = ended(embedded, training(embedded, SLEEP, stopping={"MaxRuntimeInSeconds": 1}))
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_instances_of_one_job_reach_each_other(embedded):
    program = """
import json, os, pathlib, socket, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
told = json.loads((base / "input/config/resourceconfig.json").read_text())
hosts, own = told["hosts"], told["current_host"]
data = " ".join(sorted(path.name for path in (base / "input/data/train").iterdir()))
if own == hosts[0]:
    with socket.create_server((own, 29500)) as server:
        said = server.accept()[0].recv(100).decode()
    (base / "model/first").write_text(data + " " + said)
else:
    for _ in range(200):
        try:
            with socket.create_connection((hosts[0], 29500)) as peer:
                peer.sendall(data.encode())
            break
        except OSError:
            time.sleep(0.05)
    (base / "model/second").write_text(own)
"""
    bucket = embedded.bucket()
    for number in range(4):
        embedded.put(bucket, f"data/{number}", b"x")
    data = channel("train", f"s3://{bucket}/data/", S3DataDistributionType="ShardedByS3Key")
    job = training(embedded, program, bucket=bucket, resources={"InstanceCount": 2}, InputDataConfig=[data])
    found = ended(embedded, job)
    assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    model = unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"])
    assert model["first"] == "0 2 1 3"
    assert set(model) == {"first", "second"}


def test_more_instances_than_the_machine_has_memory_for_are_refused(embedded):
    with pytest.raises(ClientError, match="ResourceLimitExceeded.*request delta of 5000 instances"):
        training(embedded, SLEEP, resources={"InstanceCount": 5000})


def test_spot_capacity_taken_away_comes_back_with_the_checkpoints(embedded, capsys):
    bucket = embedded.bucket()
    job = training(
        embedded,
        ROUNDS,
        bucket=bucket,
        EnableManagedSpotTraining=True,
        stopping={"MaxWaitTimeInSeconds": 60},
        CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints/{fresh('run')}"},
    )
    written(embedded, job, "checkpoints/round")
    assert cli.main(["interrupt", job, "--state", str(embedded.running.home.folder)]) == 0
    assert "capacity is taken away" in capsys.readouterr().out
    found = ended(embedded, job)
    assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    assert unpacked(embedded, found["ModelArtifacts"]["S3ModelArtifacts"]) == {"rounds": "2"}
    passed = [one["Status"] for one in found["SecondaryStatusTransitions"]]
    assert passed.count("Interrupted") == 1 and passed.count("Training") == 2


def test_interrupting_what_does_not_run_is_a_sentence(embedded, capsys):
    assert cli.main(["interrupt", "nothing", "--state", str(embedded.running.home.folder)]) == 2
    assert "No job nothing runs here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"DebugHookConfig": {"S3OutputPath": "s3://b/d"}}, "DebugHookConfig is not available"),
        ({"InputDataConfig": [{**channel("a", "s3://b/"), "InputMode": "Pipe"}]}, "InputMode Pipe is not available"),
        ({"InputDataConfig": [channel("a", "s3://b/"), channel("a", "s3://c/")]}, "names must be unique"),
        (
            {"EnableInterContainerTrafficEncryption": True, "resources": {"InstanceCount": 2}},
            "of several instances without EnableNetworkIsolation is not available",
        ),
        ({"resources": {"KeepAlivePeriodInSeconds": 60}}, "KeepAlivePeriodInSeconds is not available"),
        ({"output": {"CompressionType": "NONE"}}, "CompressionType NONE is not available"),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds None. It must be present"),
        ({"stopping": {"MaxWaitTimeInSeconds": 60}}, "for jobs with EnableManagedSpotTraining only"),
        ({"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "("}]}}, "is no pattern"),
        ({"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "loss"}]}}, "has no group"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_a_job_cannot_have_here_is_refused_by_name(embedded, more, sentence):
    with pytest.raises(ClientError, match=sentence):
        training(embedded, SLEEP, role="arn:aws:iam::000000000000:role/x", bucket="b", **more)


def test_an_image_without_a_program_needs_an_entrypoint(embedded):
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sample:1"
    found = ended(embedded, training(embedded, algorithm={"TrainingImage": image}))
    assert "trains nothing" in found["FailureReason"]


def test_jobs_are_listed_by_status_and_names_are_taken_once(embedded):
    job, sagemaker = training(embedded, "exit(1)"), embedded.client("sagemaker")
    ended(embedded, job)
    found = sagemaker.list_training_jobs(StatusEquals="Failed", NameContains=job)["TrainingJobSummaries"]
    assert [one["TrainingJobName"] for one in found] == [job]
    assert not sagemaker.list_training_jobs(StatusEquals="Completed", NameContains=job)["TrainingJobSummaries"]
    began = sagemaker.describe_training_job(TrainingJobName=job)["CreationTime"]
    for within, names in ((timedelta(0), [job]), (timedelta(hours=1), [])):
        since = sagemaker.list_training_jobs(CreationTimeAfter=began + within, NameContains=job)
        assert [one["TrainingJobName"] for one in since["TrainingJobSummaries"]] == names
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_training_job(TrainingJobName=job, **training_request(embedded, "", bucket="b"))
    sagemaker.stop_training_job(TrainingJobName=job)
    assert ended(embedded, job)["TrainingJobStatus"] == "Failed"
    with pytest.raises(ClientError, match="Could not find training job"):
        sagemaker.describe_training_job(TrainingJobName="never")


def test_lists_are_in_the_documented_order(embedded):
    """AWS's documents: training jobs and groups of models the oldest first, endpoint configurations the newest."""
    sagemaker, stem = embedded.client("sagemaker"), fresh("order")
    model = embedded.model()
    variant = {"VariantName": "main", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    for name in (f"{stem}-b", f"{stem}-a"):
        sagemaker.create_model_package_group(ModelPackageGroupName=name)
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def groups(**more):
        found = sagemaker.list_model_package_groups(NameContains=stem, **more)["ModelPackageGroupSummaryList"]
        return [one["ModelPackageGroupName"][-1] for one in found]

    def configs(**more):
        found = sagemaker.list_endpoint_configs(NameContains=stem, **more)["EndpointConfigs"]
        return [one["EndpointConfigName"][-1] for one in found]

    assert (groups(), groups(SortOrder="Descending"), groups(SortBy="Name")) == (["b", "a"], ["a", "b"], ["a", "b"])
    assert (configs(), configs(SortOrder="Ascending"), configs(SortBy="Name")) == (["a", "b"], ["b", "a"], ["b", "a"])
