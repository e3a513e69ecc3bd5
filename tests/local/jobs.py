"""Jobs of a few lines for tests: a program of Python under a role, and what became of it."""

import io
import tarfile
import time

from tests.embedded import ALLOW_ALL, fresh

TOOLKIT = "763104351884.dkr.ecr.us-east-1.amazonaws.com/toolkit:1"
ENDED = ("Completed", "Failed", "Stopped")
LATEST_SECONDS = 30


def training(embedded, program=None, *, keys=None, role=None, bucket=None, **more):
    """A training job whose container is `python3 -c program`; its name."""
    name, bucket = fresh("job"), bucket or embedded.bucket()
    request = training_request(embedded, program, role=role, bucket=bucket, **more)
    embedded.client("sagemaker", keys).create_training_job(TrainingJobName=name, **request)
    return name


def training_request(embedded, program, *, role=None, bucket, **more):
    algorithm = {"TrainingImage": TOOLKIT, "TrainingInputMode": "File", **more.pop("algorithm", {})}
    channels = more.pop("InputDataConfig", [])
    if program is not None and fits(program):
        algorithm["ContainerEntrypoint"] = ["python3", "-c", program]
    elif program is not None:
        algorithm["ContainerEntrypoint"] = ["python3", "/opt/ml/input/data/program/it.py"]
        channels = [*channels, channel("program", stored(embedded, program))]
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **more.pop("resources", {})}
    stopping = {"MaxRuntimeInSeconds": 60, **more.pop("stopping", {})}
    return {
        "AlgorithmSpecification": algorithm,
        "RoleArn": role or embedded.role(ALLOW_ALL),
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out", **more.pop("output", {})},
        "ResourceConfig": resources,
        "StoppingCondition": stopping,
        **({"InputDataConfig": channels} if channels else {}),
        **more,
    }


def fits(program):
    """SageMaker takes 256 characters in one line."""
    return len(program) <= 256 and "\n" not in program


def stored(embedded, program):
    return embedded.put(embedded.bucket(), "it.py", program.encode())


def channel(name, uri, **more):
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, **more}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def processing(embedded, program, *, inputs=None, outputs=None, application=None, role=None, keys=None, **more):
    name, inputs = fresh("processing"), dict(inputs or {})
    entrypoint = ["python3", "-c", program]
    if not fits(program):
        inputs[stored(embedded, program)] = "/opt/ml/processing/program"
        entrypoint = ["python3", "/opt/ml/processing/program/it.py"]
    request = {
        "AppSpecification": {"ImageUri": TOOLKIT, "ContainerEntrypoint": entrypoint, **(application or {})},
        "RoleArn": role or embedded.role(ALLOW_ALL),
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "ProcessingInputs": [
            {"InputName": f"in-{number}", "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix"}}
            for number, (uri, path) in enumerate(inputs.items())
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": f"out-{number}",
                    "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"},
                }
                for number, (uri, path) in enumerate((outputs or {}).items())
            ]
        },
        **more,
    }
    embedded.client("sagemaker", keys).create_processing_job(ProcessingJobName=name, **request)
    return name


def ended(embedded, name, kind="training", until=ENDED):
    """Its description once it has ended, or its status is one of `until`."""
    describe = getattr(embedded.client("sagemaker"), f"describe_{kind}_job")
    key = f"{kind.title()}Job"
    deadline = time.monotonic() + LATEST_SECONDS
    while True:
        found = describe(**{f"{key}Name": name})
        if found[f"{key}Status"] in until:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def in_training(embedded, name):
    """Once its processes run."""
    deadline = time.monotonic() + LATEST_SECONDS
    while (found := ended(embedded, name, until=("InProgress", *ENDED)))["SecondaryStatus"] != "Training":
        assert time.monotonic() < deadline and found["TrainingJobStatus"] == "InProgress", found
        time.sleep(0.05)


def written(embedded, name, file, kind="training"):
    """Once the program of its first instance has left something in a file below its /opt/ml."""
    path = embedded.running.home.jobs / name / "algo-1" / "ml" / file
    deadline = time.monotonic() + LATEST_SECONDS
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, ended(embedded, name, kind, until=("InProgress", *ENDED))
        time.sleep(0.02)


def archive(**files):
    """A tar.gz of texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(embedded, uri):
    """Name -> text of what a tar.gz in S3 holds."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = embedded.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar if member.isfile()}
