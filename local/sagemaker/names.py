"""ARNs of SageMaker: resource names are lower case in them, whatever case they were given in."""

from local.json_service import AwsError
from local.records import Scope

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
ARN_TYPES = {
    "Model": "model",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "ModelPackageGroup": "model-package-group",
    "NotebookInstance": "notebook-instance",
    "NotebookInstanceLifecycleConfig": "notebook-instance-lifecycle-config",
    "Pipeline": "pipeline",
    "TrainingJob": "training-job",
    "ProcessingJob": "processing-job",
    "TransformJob": "transform-job",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
    "ModelPackage": "model-package",
}


def arn(scope: Scope, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{scope.region}:{scope.account}:{ARN_TYPES[kind]}/{name.lower()}"


def log_group(endpoint: str) -> str:
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_available(what: str) -> AwsError:
    return validation(f"{what} is not available in the embedded AWS.")
