"""A changed function gets a share of its alias's calls first; CodeDeploy takes it back when an alarm goes off."""

from aws_cdk import ArnFormat, CfnCodeDeployLambdaAliasUpdate, CfnUpdatePolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from config.names import ALIAS
from config.sections.api import Canary

MINUTE_SECONDS = 60


class AliasCanary(Construct):
    """An alias's weights name an old version, which the template has lost: CodeDeploy sets them while it updates."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Canary,
        function: lambda_.IFunction,
        alias: lambda_.Alias,
        api_id: str,
    ) -> None:
        super().__init__(scope, id)
        application = codedeploy.CfnApplication(self, "Application", compute_platform="Lambda")
        canary = codedeploy.CfnDeploymentConfig(
            self,
            "Config",
            compute_platform="Lambda",
            traffic_routing_config=codedeploy.CfnDeploymentConfig.TrafficRoutingConfigProperty(
                type="TimeBasedCanary",
                time_based_canary=codedeploy.CfnDeploymentConfig.TimeBasedCanaryProperty(
                    canary_percentage=config.percent, canary_interval=config.minutes
                ),
            ),
        )
        alarms = self._alarms(function, api_id)
        role = self._role(application.ref, function, alarms)
        group = codedeploy.CfnDeploymentGroup(
            self,
            "Group",
            application_name=application.ref,
            deployment_config_name=canary.ref,
            service_role_arn=role.role_arn,
            deployment_style=codedeploy.CfnDeploymentGroup.DeploymentStyleProperty(
                deployment_option="WITH_TRAFFIC_CONTROL", deployment_type="BLUE_GREEN"
            ),
            alarm_configuration=codedeploy.CfnDeploymentGroup.AlarmConfigurationProperty(
                enabled=True,
                alarms=[codedeploy.CfnDeploymentGroup.AlarmProperty(name=alarm.ref) for alarm in alarms],
            ),
            auto_rollback_configuration=codedeploy.CfnDeploymentGroup.AutoRollbackConfigurationProperty(
                enabled=True, events=["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]
            ),
        )
        alias_resource = alias.node.default_child
        if not isinstance(alias_resource, lambda_.CfnAlias):
            raise TypeError("an alias is one resource")
        alias_resource.cfn_options.update_policy = CfnUpdatePolicy(
            code_deploy_lambda_alias_update=CfnCodeDeployLambdaAliasUpdate(
                application_name=application.ref, deployment_group_name=group.ref
            )
        )

    def _alarms(self, function: lambda_.IFunction, api_id: str) -> list[cloudwatch.CfnAlarm]:
        """The function answers its own failures as 5xx, which Lambda takes for success: the API counts those."""
        on_alias = {"FunctionName": function.function_name, "Resource": f"{function.function_name}:{ALIAS}"}
        return [
            self._alarm("Errors", "AWS/Lambda", "Errors", on_alias, "Calls of the function that ended in an error"),
            self._alarm("ServerErrors", "AWS/ApiGateway", "5xx", {"ApiId": api_id}, "Answers of the API with 5xx"),
        ]

    def _alarm(
        self, id: str, namespace: str, metric: str, dimensions: dict[str, str], counted: str
    ) -> cloudwatch.CfnAlarm:
        return cloudwatch.CfnAlarm(
            self,
            id,
            alarm_description=f"{counted} (count a minute); stops a deployment of the predict function",
            namespace=namespace,
            metric_name=metric,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in dimensions.items()
            ],
            statistic="Sum",
            period=MINUTE_SECONDS,
            evaluation_periods=1,
            threshold=0,
            comparison_operator="GreaterThanThreshold",
            # No call in a minute is no failure.
            treat_missing_data="notBreaching",
        )

    def _role(self, application: str, function: lambda_.IFunction, alarms: list[cloudwatch.CfnAlarm]) -> iam.Role:
        stack = Stack.of(self)
        groups = stack.format_arn(
            service="codedeploy",
            resource="deploymentgroup",
            resource_name=f"{application}/*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        statements = [
            iam.PolicyStatement(
                sid="ShiftCalls",
                actions=["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
                # The first and the last know the function, the other one its alias.
                resources=[function.function_arn, f"{function.function_arn}:{ALIAS}"],
            ),
            iam.PolicyStatement(
                sid="WatchAlarms", actions=["cloudwatch:DescribeAlarms"], resources=[alarm.attr_arn for alarm in alarms]
            ),
        ]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "codedeploy.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": groups},
                },
            ),
            inline_policies={"Canary": iam.PolicyDocument(statements=statements)},
        )
