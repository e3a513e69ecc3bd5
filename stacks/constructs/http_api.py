"""The HTTP API: POST /predict as the stage's auth says; the page and the health check open to all, throttled."""

import json
from typing import cast

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from config.sections.api import Api
from stacks.constructs.findings import acknowledge
from stacks.constructs.logs import ExpiringLog

# Who asked for what and how it went; no address of the caller, which would be personal data.
ACCESS_LOG_FIELDS = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_ms": "$context.integrationLatency",
    "error": "$context.error.message",
}


class PredictionApi(Construct):
    def __init__(self, scope: Construct, id: str, *, config: Api, handler: lambda_.IFunction) -> None:
        super().__init__(scope, id)
        api = apigateway.HttpApi(self, "Api", create_default_stage=False, description="Whippet's predictions")
        integration = integrations.HttpLambdaIntegration("Predict", handler)
        signed = authorizers.HttpIamAuthorizer() if config.auth == "iam" else None

        predict = api.add_routes(
            path="/predict", methods=[apigateway.HttpMethod.POST], integration=integration, authorizer=signed
        )
        page = api.add_routes(path="/", methods=[apigateway.HttpMethod.GET], integration=integration)
        health = api.add_routes(path="/healthz", methods=[apigateway.HttpMethod.GET], integration=integration)
        for route in [*page, *health]:
            acknowledge(
                route, "AwsSolutions-APIG4", "The page and the health check hold nothing of anyone's and are throttled"
            )
        if signed is None:
            for route in predict:
                acknowledge(route, "AwsSolutions-APIG4", 'The stage file says api.auth = "none" and what that costs')

        log = ExpiringLog(self, "AccessLog", keep_days=config.log_days)
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=config.throttle_requests_per_second, burst_limit=config.throttle_burst
            ),
        )
        cast(
            apigateway.CfnStage, stage.node.default_child
        ).access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )
        # The service's own word for where it answers, rather than a name put together here from region and domain.
        self.url = f"{api.api_endpoint}/"
