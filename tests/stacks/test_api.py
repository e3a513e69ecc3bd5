"""The API: who may call what, how often, and which function answers."""

import json
import re
import tomllib

import pytest

from lambda_src.predict.settings import Settings
from tests import synth
from tests.stacks import test_permissions, variants
from tests.stacks.permissions import api as table

pytestmark = pytest.mark.xdist_group("synth")


def routes(template):
    found = synth.resources(template, "AWS::ApiGatewayV2::Route").values()
    return {route["Properties"]["RouteKey"]: route["Properties"]["AuthorizationType"] for route in found}


def predict(template):
    return synth.only(template, "AWS::Lambda::Function")


def environment(template):
    """The function's, with a name in place of a bucket of another stack."""
    given = predict(template)["Environment"]["Variables"]
    return {name: value if isinstance(value, str) else "bucket" for name, value in given.items()}


def test_predictions_are_signed_and_page_and_health_are_open():
    assert routes(synth.templates("dev")["api"]) == {
        "POST /predict": "AWS_IAM",
        "POST /uploads": "AWS_IAM",
        "GET /": "NONE",
        "GET /healthz": "NONE",
        "GET /openapi.json": "NONE",
    }


def test_open_predictions_are_the_stage_files_own_word():
    stage = tomllib.loads((synth.ROOT / "config" / "local.toml").read_text())
    assert stage["api"]["auth"] == "none"
    assert routes(synth.templates("local")["api"])["POST /predict"] == "NONE"


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_route_is_throttled_and_logged(stage):
    properties = synth.only(synth.templates(stage)["api"], "AWS::ApiGatewayV2::Stage")
    guarded = properties["RouteSettings"]
    for throttle in (properties["DefaultRouteSettings"], guarded["POST /predict"], guarded["POST /uploads"]):
        assert throttle["ThrottlingRateLimit"] > 0
        assert throttle["ThrottlingBurstLimit"] > 0
    assert "DestinationArn" in properties["AccessLogSettings"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_stage_comes_after_the_routes_whose_throttling_it_names(stage):
    template = synth.templates(stage)["api"]
    (body,) = synth.resources(template, "AWS::ApiGatewayV2::Stage").values()
    assert set(synth.resources(template, "AWS::ApiGatewayV2::Route")) <= set(body["DependsOn"])


def test_no_site_but_its_own_may_ask_unless_the_stage_file_says_so():
    for stage in synth.STAGES:
        assert "CorsConfiguration" not in synth.only(synth.templates(stage)["api"], "AWS::ApiGatewayV2::Api")


def test_sites_of_the_stage_file_may_ask_without_cookies():
    cors = {"origins": ["https://app.example.com"], "max_age_seconds": 77}
    configured = synth.only(variants.rooms(api__cors=cors)["api"], "AWS::ApiGatewayV2::Api")["CorsConfiguration"]
    assert configured == {
        "AllowOrigins": ["https://app.example.com"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": [
            *("authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"),
        ],
        "ExposeHeaders": ["location", "retry-after"],
        "MaxAge": 77,
    }


JWT = {"issuer": "https://id.example.com/", "audience": ["whippet", "other"], "scopes": ["whippet/predict"]}


def test_tokens_are_checked_before_predictions_and_nowhere_else():
    template = variants.rooms(api__auth="jwt", api__jwt=JWT)["api"]
    assert routes(template) == {
        "POST /predict": "JWT",
        "POST /uploads": "JWT",
        "GET /": "NONE",
        "GET /healthz": "NONE",
        "GET /openapi.json": "NONE",
    }
    authorizer = synth.only(template, "AWS::ApiGatewayV2::Authorizer")
    assert authorizer["JwtConfiguration"] == {"Issuer": "https://id.example.com/", "Audience": ["whippet", "other"]}
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    scopes = {
        route["Properties"]["RouteKey"]: route["Properties"].get("AuthorizationScopes")
        for route in synth.resources(template, "AWS::ApiGatewayV2::Route").values()
    }
    for guarded in ("POST /predict", "POST /uploads"):
        assert scopes.pop(guarded) == ["whippet/predict"]
    assert set(scopes.values()) == {None}


CANARY = {"percent": 15, "minutes": 7}


@pytest.fixture(scope="module")
def canary():
    return variants.rooms(api__canary=CANARY)["api"]


def test_an_alias_moves_by_codedeploy_where_the_stage_file_wants_a_canary(canary):
    (alias,) = synth.resources(canary, "AWS::Lambda::Alias").values()
    (application,) = synth.resources(canary, "AWS::CodeDeploy::Application")
    (group,) = synth.resources(canary, "AWS::CodeDeploy::DeploymentGroup")
    assert alias["UpdatePolicy"] == {
        "CodeDeployLambdaAliasUpdate": {
            "ApplicationName": {"Ref": application},
            "DeploymentGroupName": {"Ref": group},
        }
    }
    assert synth.only(canary, "AWS::CodeDeploy::DeploymentConfig") == {
        "ComputePlatform": "Lambda",
        "TrafficRoutingConfig": {
            "Type": "TimeBasedCanary",
            "TimeBasedCanary": {"CanaryPercentage": 15, "CanaryInterval": 7},
        },
    }


def test_a_canary_is_taken_back_by_alarms_on_function_and_api(canary):
    group = synth.only(canary, "AWS::CodeDeploy::DeploymentGroup")
    alarms = synth.resources(canary, "AWS::CloudWatch::Alarm")
    assert group["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": {"Ref": name}} for name in alarms]}
    assert group["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
    }
    watched = {
        (alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"]): {
            dimension["Name"] for dimension in alarm["Properties"]["Dimensions"]
        }
        for alarm in alarms.values()
    }
    assert watched == {("AWS/Lambda", "Errors"): {"FunctionName", "Resource"}, ("AWS/ApiGateway", "5xx"): {"ApiId"}}


def test_codedeploy_may_move_this_functions_alias_and_no_other(canary):
    role = test_permissions.roles(canary)["CanaryRole"]
    assert test_permissions.statements(role) == table.CANARY
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Principal"]["Service"], test_permissions.plain(trust["Condition"])) == table.TRUST["CanaryRole"]


def test_without_a_canary_an_alias_moves_at_once():
    for stage in synth.STAGES:
        (alias,) = synth.resources(synth.templates(stage)["api"], "AWS::Lambda::Alias").values()
        assert "UpdatePolicy" not in alias


@pytest.mark.parametrize("stage", synth.STAGES)
def test_access_log_holds_no_address_of_the_caller(stage):
    properties = synth.only(synth.templates(stage)["api"], "AWS::ApiGatewayV2::Stage")
    variables = set(re.findall(r"\$context\.([\w.]+)", properties["AccessLogSettings"]["Format"]))
    assert variables == {
        *("requestId", "requestTime", "routeKey", "status"),
        *("responseLatency", "integrationLatency", "error.message"),
    }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_environment_is_what_the_handler_reads(stage):
    given = predict(synth.templates(stage)["api"])["Environment"]["Variables"]
    assert given.keys() == Settings.VARIABLES.keys()


@pytest.mark.parametrize("stage", synth.STAGES)
def test_handler_accepts_its_environment(stage):
    assert Settings.from_environment(environment(synth.templates(stage)["api"]))


@pytest.mark.parametrize(
    ("changes", "auth", "issuer"),
    [
        ({}, "iam", ""),
        ({"api__auth": "none"}, "none", ""),
        ({"api__auth": "jwt", "api__jwt": JWT}, "jwt", JWT["issuer"]),
    ],
    ids=["iam", "none", "jwt"],
)
def test_function_describes_the_api_as_it_is_guarded(changes, auth, issuer):
    settings = Settings.from_environment(environment(variants.rooms(**changes)["api"]))
    assert (settings.auth, settings.jwt_issuer) == (auth, issuer)


def test_handler_accepts_every_host_that_the_stage_file_does():
    template = variants.rooms(api__allowed_image_hosts=["images.example.com", "*.example.org"])["api"]
    assert Settings.from_environment(environment(template)).allowed_image_hosts


@pytest.mark.parametrize("stage", synth.STAGES)
def test_api_calls_the_alias(stage):
    template = synth.templates(stage)["api"]
    integration = synth.only(template, "AWS::ApiGatewayV2::Integration")
    (alias,) = synth.resources(template, "AWS::Lambda::Alias")
    assert integration["IntegrationUri"] == {"Ref": alias}


def test_warm_environments_belong_to_the_alias_and_follow_use():
    template = synth.templates("prod")["api"]
    alias = synth.only(template, "AWS::Lambda::Alias")
    target = synth.only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    policy = synth.only(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
    (alias_id,) = synth.resources(template, "AWS::Lambda::Alias")
    (function_id,) = synth.resources(template, "AWS::Lambda::Function")
    (target_body,) = synth.resources(template, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert target["ResourceId"] == {"Fn::Join": ["", ["function:", {"Ref": function_id}, ":live"]]}
    assert target["ScalableDimension"] == "lambda:function:ProvisionedConcurrency"
    assert alias_id in target_body["DependsOn"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 10)
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
        "TargetValue": 0.7,
    }


def test_versions_hold_no_warm_environments():
    for stage in synth.STAGES:
        assert "ProvisionedConcurrencyConfig" not in synth.only(synth.templates(stage)["api"], "AWS::Lambda::Version")


def test_without_warm_environments_there_is_nothing_to_scale():
    template = synth.templates("dev")["api"]
    assert "ProvisionedConcurrencyConfig" not in synth.only(template, "AWS::Lambda::Alias")
    assert not synth.resources(template, "AWS::ApplicationAutoScaling::ScalableTarget")


def test_reserved_concurrency_is_taken_only_when_asked_for():
    assert "ReservedConcurrentExecutions" not in predict(synth.templates("dev")["api"])
    template = variants.rooms(api__concurrency__reserved=7)["api"]
    assert predict(template)["ReservedConcurrentExecutions"] == 7


@pytest.mark.parametrize("stage", synth.STAGES)
def test_api_is_deployed_after_the_endpoint(stage):
    manifest = synth.json.loads((synth.assembly(stage) / "manifest.json").read_text())
    assert f"whippet-{stage}-serving" in manifest["artifacts"][f"whippet-{stage}-api"]["dependencies"]


@pytest.fixture(scope="module")
def plain():
    """Without uploads, and followed by X-Ray."""
    return variants.rooms(api__max_upload_bytes=0, api__tracing=True)["api"]


def test_without_uploads_there_is_neither_route_nor_right(plain):
    assert "POST /uploads" not in routes(plain)
    role = test_permissions.roles(plain)["PredictFunctionPartsRole"]
    expected = json.loads(json.dumps({**table.PREDICT_SENT, **table.TRACE}).replace("STAGE", "dev"))
    assert json.loads(json.dumps(test_permissions.statements(role))) == expected
    assert predict(plain)["Environment"]["Variables"]["UPLOAD_BUCKET"] == ""


def test_requests_are_traced_where_the_stage_file_says_so(plain):
    assert predict(plain)["TracingConfig"] == {"Mode": "Active"}
    assert "TracingConfig" not in predict(synth.templates("dev")["api"])


@pytest.mark.parametrize("stage", synth.STAGES)
def test_each_limit_on_time_ends_before_the_one_around_it(stage):
    template = synth.templates(stage)["api"]
    function = predict(template)
    given = function["Environment"]["Variables"]
    fetch, invoke = int(given["FETCH_TIMEOUT_SECONDS"]), int(given["INVOKE_TIMEOUT_SECONDS"])
    gateway = synth.only(template, "AWS::ApiGatewayV2::Integration")["TimeoutInMillis"] / 1000
    assert fetch < invoke < fetch + invoke < function["Timeout"] < gateway <= 30
