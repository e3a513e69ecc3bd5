"""Jobs of the shape that stage local's roles may start; what becomes of them is not looked at: they have no code."""

from typing import Any

from tests.system.deployed import TRAINING, Deployed, Session

INSTANCE_TYPE = "ml.m5.xlarge"


def resources(deployed: Deployed, *, with_key: bool = True) -> dict[str, Any]:
    plain = {"InstanceType": INSTANCE_TYPE, "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {**plain, "VolumeKmsKeyId": deployed.key} if with_key else plain


def definition(deployed: Deployed, role: str, **more: Any) -> dict[str, Any]:
    """What training and tuning jobs say alike."""
    return {
        "RoleArn": deployed.role_arn(role),
        "AlgorithmSpecification": {
            "TrainingImage": deployed.outputs(TRAINING)["TrainingImage"],
            "TrainingInputMode": "File",
            **more,
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{deployed.bucket}/runs/r/training"},
        "ResourceConfig": resources(deployed),
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
    }


def start_training(session: Session, deployed: Deployed, role: str, prefix: str = "whippet-local", **more: Any) -> str:
    name = f"{prefix}-{deployed.fresh_name()}"
    request = {**definition(deployed, role), **more}
    session.client("sagemaker").create_training_job(TrainingJobName=name, **request)
    return name


def start_processing(session: Session, deployed: Deployed, role: str, instance_type: str = INSTANCE_TYPE) -> None:
    image = deployed.outputs(TRAINING)["TrainingImage"]
    session.client("sagemaker").create_processing_job(
        ProcessingJobName=f"pipelines-{deployed.fresh_name()}",
        RoleArn=deployed.role_arn(role),
        AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["true"]},
        ProcessingResources={"ClusterConfig": {**resources(deployed), "InstanceType": instance_type}},
        NetworkConfig={"EnableNetworkIsolation": True},
    )


def start_tuning(
    session: Session, deployed: Deployed, role: str, *, with_key: bool = True, prefix: str = "", **more: Any
) -> str:
    # AWS takes 32 characters.
    name = f"{prefix}{deployed.fresh_name()}"[:32]
    told = definition(deployed, role, MetricDefinitions=[{"Name": "score", "Regex": "score=(.*)"}])
    session.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.2"}]},
        },
        TrainingJobDefinition={**told, "ResourceConfig": resources(deployed, with_key=with_key), **more},
    )
    return name


def follow_and_stop(session: Session, name: str) -> None:
    session.client("sagemaker").describe_training_job(TrainingJobName=name)
    session.client("sagemaker").stop_training_job(TrainingJobName=name)
