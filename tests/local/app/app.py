"""A small CDK app that has nothing to do with the repository's own: what the embedded AWS hosts for it, it hosts for any.

Run by tests/local with the context keys artefact (a tar.gz), image (the container's URI) and instances.
"""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as function
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

HERE = Path(__file__).parent
ENDPOINT = "Sample-Endpoint"
VARIANT = "main"


class SampleStack(Stack):
    """Bucket, model, endpoint, scaling, function and API."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        key = kms.Key(self, "Key", removal_policy=RemovalPolicy.DESTROY)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            enforce_ssl=True,
            event_bridge_enabled=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.hosting = iam.Role(self, "HostingRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        self.bucket.grant_put(self.hosting, "capture/*")
        self._endpoint()
        self._scaling()
        handler = self._function()
        self._api(handler)

    def _endpoint(self) -> None:
        artefact = assets.Asset(self, "Artefact", path=self.node.get_context("artefact"))
        artefact.grant_read(self.hosting)
        policy = self.hosting.node.find_child("DefaultPolicy")
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.hosting.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=self.node.get_context("image"),
                model_data_url=artefact.s3_object_url,
                environment={"GREETING": self.node.try_get_context("greeting") or "hello"},
            ),
        )
        model.node.add_dependency(policy)
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=model.attr_model_name,
                    instance_type="ml.m5.large",
                    initial_instance_count=int(self.node.try_get_context("instances") or 1),
                    initial_variant_weight=1,
                )
            ],
            data_capture_config=sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
                enable_capture=True,
                initial_sampling_percentage=100,
                destination_s3_uri=self.bucket.s3_url_for_object("capture"),
                capture_options=[
                    sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")
                ],
            ),
        )
        self.endpoint = sagemaker.CfnEndpoint(
            self, "Endpoint", endpoint_name=ENDPOINT, endpoint_config_name=config.attr_endpoint_config_name
        )

    def _scaling(self) -> None:
        target = scaling.ScalableTarget(
            self,
            "Target",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            resource_id=f"endpoint/{ENDPOINT}/variant/{VARIANT}",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            min_capacity=1,
            max_capacity=4,
        )
        target.node.add_dependency(self.endpoint)
        target.scale_to_track_metric(
            "Rate",
            target_value=100,
            predefined_metric=scaling.PredefinedMetric.SAGEMAKER_VARIANT_INVOCATIONS_PER_INSTANCE,
        )

    def _function(self) -> function.Alias:
        role = iam.Role(self, "FunctionRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        group = logs.LogGroup(self, "Logs", removal_policy=RemovalPolicy.DESTROY)
        group.grant_write(role)
        invoke = iam.PolicyStatement(
            actions=["sagemaker:InvokeEndpoint"],
            resources=[
                self.format_arn(service="sagemaker", resource="endpoint", resource_name=ENDPOINT.lower()),
            ],
        )
        role.add_to_policy(invoke)
        handler = function.Function(
            self,
            "Function",
            runtime=function.Runtime.PYTHON_3_11,
            handler="index.handle",
            code=function.Code.from_asset(str(HERE / "handler"), exclude=["__pycache__"]),
            role=role,
            log_group=group,
            timeout=Duration.seconds(20),
            environment={"ENDPOINT": ENDPOINT},
            reserved_concurrent_executions=3,
        )
        return function.Alias(self, "Live", alias_name="live", version=handler.current_version)

    def _api(self, handler: function.Alias) -> None:
        gateway = api.CfnApi(self, "Api", name="sample", protocol_type="HTTP")
        log = logs.LogGroup(self, "AccessLog", removal_policy=RemovalPolicy.DESTROY)
        api.CfnStage(
            self,
            "Stage",
            api_id=gateway.ref,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=api.CfnStage.AccessLogSettingsProperty(
                destination_arn=log.log_group_arn, format="$context.routeKey $context.status"
            ),
        )
        integration = api.CfnIntegration(
            self,
            "Integration",
            api_id=gateway.ref,
            integration_type="AWS_PROXY",
            integration_uri=handler.function_arn,
            payload_format_version="2.0",
        )
        for name, key, authorization in (
            ("Open", "POST /open", "NONE"),
            ("Signed", "POST /signed", "AWS_IAM"),
            ("Unpermitted", "POST /unpermitted", "NONE"),
        ):
            api.CfnRoute(
                self,
                f"{name}Route",
                api_id=gateway.ref,
                route_key=key,
                authorization_type=authorization,
                target=f"integrations/{integration.ref}",
            )
        for path in ("open", "signed"):
            handler.add_permission(
                f"{path.title()}Permission",
                principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
                source_arn=self.format_arn(service="execute-api", resource=gateway.ref, resource_name=f"*/POST/{path}"),
            )
        CfnOutput(self, "Url", value=gateway.attr_api_endpoint)
        CfnOutput(self, "ApiId", value=gateway.ref)
        CfnOutput(self, "AccessLogName", value=log.log_group_name)
        CfnOutput(self, "BucketName", value=self.bucket.bucket_name)
        CfnOutput(self, "FunctionName", value=handler.function_name)
        CfnOutput(self, "FunctionRoleArn", value=str(handler.role.role_arn if handler.role else ""))
        CfnOutput(self, "HostingRoleArn", value=self.hosting.role_arn)


app = App()
stack = SampleStack(app, "sample")
Tags.of(stack).add("purpose", "test")
app.synth()
