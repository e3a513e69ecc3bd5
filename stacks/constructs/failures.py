"""What SageMaker says of a failure, told to the topic in plain words."""

from aws_cdk import aws_events as events
from constructs import Construct

from stacks.constructs.findings import acknowledge
from stacks.constructs.topic import NewsTopic

LOST_EVENT = "What a lost message would have told stands in the console and in the service's log as well"


class FailureNews(Construct):
    """One rule a kind of failure, each for one resource of ours and nobody else's."""

    def __init__(self, scope: Construct, id: str, *, news: NewsTopic) -> None:
        super().__init__(scope, id)
        self._news = news
        self._rule_arns: list[str] = []

    def tell_of_endpoint(self, endpoint_arn: str) -> None:
        self._tell(
            "EndpointFailed",
            kind="SageMaker Endpoint State Change",
            detail={
                "EndpointArn": [endpoint_arn],
                # FAILED ends a creation. The others end an update that its alarms or a sick model stopped: after a
                # roll-back the endpoint is in service again, on its old configuration.
                "EndpointStatus": ["FAILED", "ROLLING_BACK", "UPDATE_ROLLBACK_FAILED"],
            },
            fields={"name": "$.detail.EndpointName", "status": "$.detail.EndpointStatus"},
            text="The endpoint <name> is <status>: it could not start what the last deploy asked for. Its log group "
            "/aws/sagemaker/Endpoints/<name> has the container's own words.",
        )

    def tell_of_pipeline(self, pipeline_arn: str) -> None:
        self._tell(
            "PipelineFailed",
            kind="SageMaker Model Building Pipeline Execution Step Status Change",
            detail={"pipelineArn": [pipeline_arn], "currentStepStatus": ["Failed"]},
            fields={
                "step": "$.detail.stepName",
                "reason": "$.detail.failureReason",
                "execution": "$.detail.pipelineExecutionArn",
            },
            text="Training failed in the step <step>, so that <execution> registered no model. The step says: <reason>",
        )

    def admit(self) -> None:
        """Once all are told of: the topic lets in exactly these rules."""
        self._news.admit_rules(self._rule_arns)

    def _tell(self, id: str, *, kind: str, detail: dict[str, list[str]], fields: dict[str, str], text: str) -> None:
        # The L2's target would let EventBridge publish for any rule of any account, and use the key for anything.
        rule = events.CfnRule(
            self,
            id,
            event_pattern={"source": ["aws.sagemaker"], "detail-type": [kind], "detail": detail},
            targets=[
                events.CfnRule.TargetProperty(
                    id="News",
                    arn=self._news.topic.topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map=fields, input_template=f'"{text}"'
                    ),
                )
            ],
        )
        self._rule_arns.append(rule.attr_arn)
        acknowledge(rule, "Serverless-EventBusDLQ", LOST_EVENT)
