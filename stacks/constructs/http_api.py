"""The HTTP API: predictions as the stage's auth says; page, health and description open to all; each kind throttled."""

import json
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from config.sections.api import Api, Cors, Jwt
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
OPEN_PATHS = ("/", "/healthz", "/openapi.json")
# What a page must be allowed to send for a token or a signature to arrive, and to read for a wait to be known.
SENT_HEADERS = ["authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
READ_HEADERS = ["location", "retry-after"]


class PredictionApi(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Api,
        handler: lambda_.IFunction,
        takes_uploads: bool,
        asynchronous: bool,
    ) -> None:
        super().__init__(scope, id)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            create_default_stage=False,
            description="Whippet's predictions",
            cors_preflight=_cors(config.cors) if config.cors else None,
        )
        self._integration = integrations.HttpLambdaIntegration(
            "Predict", handler, timeout=Duration.seconds(config.gateway_timeout_seconds)
        )
        # The service's own word for where it answers, rather than a name put together here from region and domain.
        self.url = f"{self.api.api_endpoint}/"
        guarded = [
            ("POST", "/predict"),
            *([("POST", "/uploads")] if takes_uploads else []),
            *([("GET", "/results/{id}")] if asynchronous else []),
        ]
        authorizer = self._authorizer(config)
        scopes = config.jwt.scopes if config.jwt else []
        routes = [
            route
            for method, path in guarded
            for route in self._add(method, path, authorizer, scopes if scopes else None)
        ]
        if authorizer is None:
            for route in routes:
                acknowledge(route, "AwsSolutions-APIG4", 'The stage file says api.auth = "none" and what that costs')
        for path in OPEN_PATHS:
            for route in self._add("GET", path, None, None):
                acknowledge(
                    route,
                    "AwsSolutions-APIG4",
                    "Page, health and description hold nothing of anyone's and are throttled",
                )
                routes.append(route)
        stage = self._stage(config, [f"{method} {path}" for method, path in guarded])
        # The stage names routes in its throttling, which the service refuses for one that does not exist yet.
        stage.node.add_dependency(*routes)

    def _authorizer(self, config: Api) -> apigateway.IHttpRouteAuthorizer | None:
        match config.auth:
            case "iam":
                return authorizers.HttpIamAuthorizer()
            case "jwt":
                if config.jwt is None:
                    raise TypeError('a stage with api.auth = "jwt" has [api.jwt], or its rules refuse it')
                return _jwt(config.jwt)
        return None

    def _add(
        self,
        method: str,
        path: str,
        authorizer: apigateway.IHttpRouteAuthorizer | None,
        scopes: list[str] | None,
    ) -> list[apigateway.HttpRoute]:
        return self.api.add_routes(
            path=path,
            methods=[apigateway.HttpMethod[method]],
            integration=self._integration,
            authorizer=authorizer,
            authorization_scopes=scopes,
        )

    def _stage(self, config: Api, guarded: list[str]) -> apigateway.HttpStage:
        """Those who only look take nothing from those who predict: each kind of route has a throttle of its own."""
        log = ExpiringLog(self, "AccessLog", keep_days=config.log_days)
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=config.open_requests_per_second, burst_limit=config.open_burst
            ),
        )
        resource = cast(apigateway.CfnStage, stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )
        limits = {
            "ThrottlingRateLimit": config.throttle_requests_per_second,
            "ThrottlingBurstLimit": config.throttle_burst,
        }
        resource.route_settings = dict.fromkeys(guarded, limits)
        return stage


def _jwt(config: Jwt) -> authorizers.HttpJwtAuthorizer:
    return authorizers.HttpJwtAuthorizer("Jwt", config.issuer, jwt_audience=config.audience)


def _cors(config: Cors) -> apigateway.CorsPreflightOptions:
    """Without credentials: nothing here is known by a cookie, so no site may have a browser send one."""
    return apigateway.CorsPreflightOptions(
        allow_origins=config.origins,
        allow_methods=[apigateway.CorsHttpMethod.GET, apigateway.CorsHttpMethod.POST],
        allow_headers=SENT_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=Duration.seconds(config.max_age_seconds),
    )
