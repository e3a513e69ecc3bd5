"""The function that looks for what stands idle, on a schedule."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from config.sections.operations import Idle
from config.sections.section import LogDays
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.functions import PythonFunction
from stacks.constructs.topic import NewsTopic

LOST_SWEEP = "A sweep that is lost or fails is made good by the next one, and two alarms tell of it"
MEMORY_MB = 256
TIMEOUT_SECONDS = 120


class IdleSweep(Construct):
    """May read what exists and how busy it is, and stop what carries this stage's tags; it may delete nothing."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Idle,
        project: str,
        stage: str,
        endpoint_name: str,
        endpoint_arn: str,
        endpoint_always_on: bool,
        news: NewsTopic,
        log_days: LogDays,
    ) -> None:
        super().__init__(scope, id)
        stops = config.sweep == "stop"
        self.function = PythonFunction(
            self,
            "Function",
            folder="idle",
            description="Looks for idle resources of this stage; stops the box and the notebook where it is told to",
            memory_mb=MEMORY_MB,
            timeout_seconds=TIMEOUT_SECONDS,
            log_days=log_days,
            environment={
                "PROJECT": project,
                "STAGE": stage,
                "TOPIC_ARN": news.topic.topic_arn,
                "SWEEP": config.sweep,
                "EVERY_MINUTES": str(config.every_minutes),
                "BOX_IDLE_MINUTES": str(config.box_idle_minutes),
                "BOX_CPU_PERCENT": str(config.box_cpu_percent),
                "NOTEBOOK_HOURS": str(config.notebook_hours),
                # Other kinds of endpoint cost nothing while nobody asks them.
                "ENDPOINT_NAME": endpoint_name if endpoint_always_on else "",
                "ENDPOINT_IDLE_DAYS": str(config.endpoint_idle_days),
                "STOPPED_DAYS": str(config.stopped_days),
            },
            statements=[
                *_look(Stack.of(self), endpoint_arn),
                *(_stop(Stack.of(self), project, stage) if stops else []),
                *news.publish_statements(),
            ],
        )
        self._acknowledge(stops)
        rule = events.Rule(
            self,
            "Schedule",
            description="When to look for idle resources",
            schedule=events.Schedule.rate(Duration.minutes(config.every_minutes)),
            targets=[targets.LambdaFunction(self.function)],
        )
        acknowledge(rule, "Serverless-EventBusDLQ", LOST_SWEEP)

    def _acknowledge(self, stops: bool) -> None:
        acknowledge(self.function, "Serverless-LambdaDLQ", LOST_SWEEP)
        role = self.function.execution_role
        acknowledge(role, "Serverless-LambdaStarPermissions", "Each wildcard is acknowledged by itself")
        stack = Stack.of(self)
        acknowledge_wildcard(
            role, "*", "Listing instances, volumes, notebooks and metrics knows no resource; it changes nothing"
        )
        acknowledge_wildcard(
            role, _notebooks(stack), "Notebooks are known by their tags, and reading tags needs no tag"
        )
        if stops:
            acknowledge_wildcard(role, _instances(stack), "Only what carries this stage's tags, by the condition")


def _instances(stack: Stack) -> str:
    return stack.format_arn(service="ec2", resource="instance", resource_name="*")


def _notebooks(stack: Stack) -> str:
    return stack.format_arn(service="sagemaker", resource="notebook-instance", resource_name="*")


def _look(stack: Stack, endpoint_arn: str) -> list[iam.PolicyStatement]:
    return [
        # These know no resource.
        iam.PolicyStatement(
            sid="FindResources",
            actions=["ec2:DescribeInstances", "ec2:DescribeVolumes", "sagemaker:ListNotebookInstances"],
            resources=["*"],
        ),
        iam.PolicyStatement(sid="ReadMetrics", actions=["cloudwatch:GetMetricData"], resources=["*"]),
        iam.PolicyStatement(sid="ReadNotebookTags", actions=["sagemaker:ListTags"], resources=[_notebooks(stack)]),
        iam.PolicyStatement(sid="ReadEndpoint", actions=["sagemaker:DescribeEndpoint"], resources=[endpoint_arn]),
    ]


def _stop(stack: Stack, project: str, stage: str) -> list[iam.PolicyStatement]:
    ours = {"StringEquals": {"aws:ResourceTag/project": project, "aws:ResourceTag/stage": stage}}
    return [
        iam.PolicyStatement(
            sid="StopBox", actions=["ec2:StopInstances"], resources=[_instances(stack)], conditions=ours
        ),
        iam.PolicyStatement(
            sid="StopNotebook",
            actions=["sagemaker:StopNotebookInstance"],
            resources=[_notebooks(stack)],
            conditions=ours,
        ),
    ]
