"""What watches the stage: dashboard, alarms, budget, record of calls, idle sweep; and who may deploy it."""

from aws_cdk import CfnOutput, Environment, RemovalPolicy, Stack
from constructs import Construct

from config import StageConfig
from config.names import VARIANT, Names
from stacks.api import ApiStack
from stacks.constructs.alarms import NewsAlarms
from stacks.constructs.budget import MonthlyBudget
from stacks.constructs.dashboard import StageDashboard
from stacks.constructs.failures import FailureNews
from stacks.constructs.github import GithubRoles
from stacks.constructs.idle_sweep import IdleSweep
from stacks.constructs.metrics import ApiMetrics, BucketMetrics, EndpointMetrics, FunctionMetrics, PipelineMetrics
from stacks.constructs.model_endpoint import role_noun, variant_names
from stacks.constructs.topic import NewsTopic
from stacks.constructs.trail import CallTrail
from stacks.data import DataStack
from stacks.serving import ServingStack


class OperationsStack(Stack):
    """Comes last and changes nothing of what it watches."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        names: Names,
        data: DataStack,
        serving: ServingStack,
        api: ApiStack,
        pipeline_name: str,
        env: Environment,
    ) -> None:
        super().__init__(scope, id, env=env, description="Watches over Whippet, and lets its workflows deploy it")
        self._config = config
        self._names = names
        self._pipeline_name = pipeline_name
        # The part of an id that tells a variant from the first -> its metrics.
        self._variants = {
            "" if name == VARIANT else role_noun(name): EndpointMetrics(serving.endpoint.endpoint_name, name)
            for name in variant_names(config.serving)
        }
        self._api = ApiMetrics(api.http.api.api_id)
        self._function = FunctionMetrics(api.predict.function.function_name)
        self._news = NewsTopic(self, "News", emails=config.operations.emails)
        self._news.admit_alarms()

        sweep = self._sweep(serving)
        self._alarms(sweep)
        self._failures(serving)
        if config.operations.dashboard:
            self._dashboard(data)
        if config.operations.monthly_budget_usd is not None:
            self._news.admit_budget()
            MonthlyBudget(
                self,
                "Budget",
                monthly_usd=config.operations.monthly_budget_usd,
                project=names.project,
                stage=names.stage,
                news=self._news,
            )
        if config.operations.trail.enabled:
            CallTrail(
                self,
                "Trail",
                config=config.operations.trail,
                name=names.trail,
                watched=data.bucket,
                removal=RemovalPolicy.RETAIN if config.stage.retain_data else RemovalPolicy.DESTROY,
            )
        if config.operations.github.provider != "none":
            self._github()
        CfnOutput(self, "NewsTopicArn", value=self._news.topic.topic_arn, description="Where all news of the stage go")

    def _sweep(self, serving: ServingStack) -> IdleSweep | None:
        if self._config.operations.idle.sweep == "off":
            return None
        sweep = IdleSweep(
            self,
            "Idle",
            config=self._config.operations.idle,
            project=self._names.project,
            stage=self._names.stage,
            endpoint_name=serving.endpoint.endpoint_name,
            endpoint_arn=serving.endpoint.arn_in(self),
            endpoint_always_on=self._config.serving.mode == "realtime",
            news=self._news,
            log_days=self._config.api.log_days,
        )
        CfnOutput(self, "IdleFunctionName", value=sweep.function.function_name, description="Looks for idle resources")
        return sweep

    def _alarms(self, sweep: IdleSweep | None) -> None:
        alarms = NewsAlarms(self, "Alarms", config=self._config.operations.alarms, topic=self._news.topic)
        for variant, endpoint in self._variants.items():
            requests = endpoint.answered() if self._asynchronous else endpoint.invocations()
            alarms.watch_requests(endpoint, requests, variant)
            if self._instances:
                alarms.watch_instances(endpoint, variant)
        if self._asynchronous:
            alarms.watch_queue(self._variants[""])
        alarms.watch_api(self._api)
        alarms.watch_function(self._function)
        if sweep is not None:
            alarms.watch_sweep(FunctionMetrics(sweep.function.function_name))

    def _failures(self, serving: ServingStack) -> None:
        failures = FailureNews(self, "Failures", news=self._news)
        failures.tell_of_endpoint(serving.endpoint.arn_in(self))
        failures.tell_of_pipeline(
            self.format_arn(service="sagemaker", resource="pipeline", resource_name=self._pipeline_name)
        )
        failures.admit()

    def _dashboard(self, data: DataStack) -> None:
        page = StageDashboard(self, "Page")
        page.show_api(self._api)
        page.show_function(self._function, warm=self._config.api.concurrency.provisioned_min > 0)
        for variant, endpoint in self._variants.items():
            title = f"Endpoint {variant}".strip()
            page.show_requests(endpoint, title=title, asynchronous=self._asynchronous, instances=self._instances)
            if self._instances:
                page.show_instances(endpoint, title=title, counted=not self._asynchronous)
        page.show_training_and_bucket(PipelineMetrics(self._pipeline_name), BucketMetrics(data.bucket.bucket_name))

    def _github(self) -> None:
        roles = GithubRoles(
            self,
            "Github",
            config=self._config.operations.github,
            builds_images_here=self._config.image.source == "docker",
        )
        CfnOutput(
            self,
            "DeployRoleArn",
            value=roles.deploy_role.role_arn,
            description="The variable AWS_DEPLOY_ROLE_ARN of the GitHub environment",
        )
        if roles.diff_role is not None:
            CfnOutput(
                self,
                "DiffRoleArn",
                value=roles.diff_role.role_arn,
                description="The variable AWS_DIFF_ROLE_ARN of the GitHub repository",
            )

    @property
    def _asynchronous(self) -> bool:
        return self._config.serving.mode == "async"

    @property
    def _instances(self) -> bool:
        """A serverless endpoint has none of ours."""
        return self._config.serving.mode != "serverless"
