"""Trials of a head as training jobs of the embedded AWS, features as a channel or computed by each job itself."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from bench.train.ranks import RunError
from config.registries import training_image
from local import control
from stacks.constructs import source_folders
from stacks.constructs.training_code import archive

BUCKET, CODE = "bench-trials", "code/sourcedir.tar.gz"
POLL_SECONDS = 0.2
ENDED = {"Completed", "Failed", "Stopped"}
MAY = {"Effect": "Allow", "Action": ["s3:*", "ecr:*", "logs:*", "cloudwatch:PutMetricData"], "Resource": "*"}
CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}


def measure(
    folder: Path, flags: tuple[str, ...], trials: int, rounds: int, tick: Callable[[], None]
) -> tuple[float, list[float], list[float]]:
    """Seconds until the features are there, of trials without them, and of trials with them."""
    running = control.start(state=folder / "aws", port=0)
    try:
        account = Account(running, flags)
        account.fill(folder / "set")
        features_seconds = account.compute_features()
        tick()
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds):
            for shares in (number % 2 == 0, number % 2 == 1):
                seconds[shares] += [account.trial(shares=shares) for _ in range(trials)]
                tick()
        return features_seconds, seconds[False], seconds[True]
    finally:
        control.stop(folder / "aws")


class Account:
    """The embedded one, with a bucket and a role for jobs."""

    def __init__(self, running: control.Running, flags: tuple[str, ...]) -> None:
        found = control.environment(running)
        keys = {key.lower(): found[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        self.s3, self.iam, self.sagemaker = (
            boto3.client(
                service,
                endpoint_url=running.url,
                region_name=running.facts.region,
                verify=found["AWS_CA_BUNDLE"],
                **keys,
            )
            for service in ("s3", "iam", "sagemaker")
        )
        self.image = training_image(running.facts.region, gpu=False)
        self.flags, self.jobs, self.role = flags, 0, ""

    def fill(self, pictures: Path) -> None:
        self.s3.create_bucket(Bucket=BUCKET)
        for file in pictures.glob("*/*/*"):
            self.s3.upload_file(str(file), BUCKET, f"set/{file.relative_to(pictures).as_posix()}")
        self.s3.put_object(Bucket=BUCKET, Key=CODE, Body=archive(source_folders.TRAINING))
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        made = self.iam.create_role(RoleName="jobs", AssumeRolePolicyDocument=policy(trust))
        self.iam.put_role_policy(RoleName="jobs", PolicyName="Jobs", PolicyDocument=policy(MAY))
        self.role = made["Role"]["Arn"]

    def compute_features(self) -> float:
        """As the pipeline's step."""
        base = "/opt/ml/processing"
        script = f'cd {base}/code && tar -xzf sourcedir.tar.gz && exec python3 -m training.precompute "$@"'
        places = [word for split in ("train", "valid") for word in (f"--{split}", f"{base}/{split}")]
        sources = {"code": CODE, "train": "set/train/", "valid": "set/valid/"}
        outputs = [
            {
                "OutputName": "features",
                "S3Output": {
                    "S3Uri": f"s3://{BUCKET}/features",
                    "LocalPath": f"{base}/features",
                    "S3UploadMode": "EndOfJob",
                },
            }
        ]
        self.sagemaker.create_processing_job(
            ProcessingJobName="features",
            RoleArn=self.role,
            ProcessingResources={"ClusterConfig": CLUSTER},
            AppSpecification={
                "ImageUri": self.image,
                "ContainerEntrypoint": ["/bin/bash", "-c", script, "features"],
                "ContainerArguments": ["--features", f"{base}/features", *places, *self.flags],
            },
            ProcessingInputs=[
                {
                    "InputName": name,
                    "S3Input": {
                        "S3Uri": f"s3://{BUCKET}/{key}",
                        "LocalPath": f"{base}/{name}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for name, key in sources.items()
            ],
            ProcessingOutputConfig={"Outputs": outputs},
        )
        found = ended(lambda: self.sagemaker.describe_processing_job(ProcessingJobName="features"), "ProcessingJob")
        return float((found["ProcessingEndTime"] - found["ProcessingStartTime"]).total_seconds())

    def trial(self, *, shares: bool) -> float:
        """Seconds from its start to its end; its input is brought in them."""
        self.jobs += 1
        name = f"trial-{self.jobs}"
        sources = {"features": "features/"} if shares else {"train": "set/train/", "valid": "set/valid/"}
        values = dict(zip((flag.removeprefix("--") for flag in self.flags[::2]), self.flags[1::2], strict=True))
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=self.role,
            AlgorithmSpecification={"TrainingImage": self.image, "TrainingInputMode": "File"},
            HyperParameters={
                "sagemaker_program": "training/entry.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
                "trial": "true",
                **values,
            },
            InputDataConfig=[channel(name, key) for name, key in {**sources, "code": CODE}.items()],
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig=CLUSTER,
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )
        found = ended(lambda: self.sagemaker.describe_training_job(TrainingJobName=name), "TrainingJob")
        return float((found["TrainingEndTime"] - found["TrainingStartTime"]).total_seconds())


def channel(name: str, key: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{key}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def ended(describe: Callable[[], dict[str, Any]], kind: str) -> dict[str, Any]:
    while (found := describe())[f"{kind}Status"] not in ENDED:
        time.sleep(POLL_SECONDS)
    if found[f"{kind}Status"] != "Completed":
        raise RunError(f"{found[f'{kind}Name']} {found[f'{kind}Status'].lower()}: {found.get('FailureReason')}")
    return found
