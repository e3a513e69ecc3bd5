"""What SageMaker tells EventBridge of a pipeline's runs and their steps."""

from datetime import UTC, datetime

from local import joints_events
from local.records import Document, Scope

SOURCE = "aws.sagemaker"
STEP = "SageMaker Model Building Pipeline Execution Step Status Change"
RUN = "SageMaker Model Building Pipeline Execution Status Change"


def step_changed(  # noqa: PLR0917 - one event
    scope: Scope, run: str, pipeline: str, step: Document, before: str | None, after: Document
) -> None:
    detail = {
        "metadata": after.get("Metadata", {}),
        "stepStartTime": _time(after["StartTime"]),
        **({"stepEndTime": _time(after["EndTime"])} if "EndTime" in after else {}),
        "stepName": step["Name"],
        "stepType": step["Type"],
        **({"previousStepStatus": before} if before else {}),
        "currentStepStatus": after["StepStatus"],
        **({"failureReason": after["FailureReason"]} if "FailureReason" in after else {}),
        "pipelineArn": pipeline,
        "pipelineExecutionArn": run,
    }
    joints_events.emit(scope, SOURCE, STEP, detail, [pipeline, run])


def run_changed(scope: Scope, run: Document, before: str | None) -> None:
    detail = {
        "pipelineExecutionDisplayName": run["PipelineExecutionDisplayName"],
        "currentPipelineExecutionStatus": run["PipelineExecutionStatus"],
        **({"previousPipelineExecutionStatus": before} if before else {}),
        "executionStartTime": _time(run["StartTime"]),
        **({"executionEndTime": _time(run["EndTime"])} if "EndTime" in run else {}),
        "pipelineArn": run["PipelineArn"],
        "pipelineExecutionArn": run["PipelineExecutionArn"],
    }
    joints_events.emit(scope, SOURCE, RUN, detail, [run["PipelineArn"], run["PipelineExecutionArn"]])


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
