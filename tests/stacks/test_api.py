"""The API: who may call what, how often, and which function answers."""

import re
import tomllib

import pytest

from lambda_src.predict.settings import Settings
from tests import synth
from tests.stacks import variants

pytestmark = pytest.mark.xdist_group("synth")


def routes(template):
    found = synth.resources(template, "AWS::ApiGatewayV2::Route").values()
    return {route["Properties"]["RouteKey"]: route["Properties"]["AuthorizationType"] for route in found}


def predict(template):
    return synth.only(template, "AWS::Lambda::Function")


def test_predictions_are_signed_and_page_and_health_are_open():
    assert routes(synth.templates("dev")["api"]) == {
        "POST /predict": "AWS_IAM",
        "GET /": "NONE",
        "GET /healthz": "NONE",
    }


def test_open_predictions_are_the_stage_files_own_word():
    stage = tomllib.loads((synth.ROOT / "config" / "local.toml").read_text())
    assert stage["api"]["auth"] == "none"
    assert routes(synth.templates("local")["api"])["POST /predict"] == "NONE"


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_route_is_throttled_and_logged(stage):
    properties = synth.only(synth.templates(stage)["api"], "AWS::ApiGatewayV2::Stage")
    throttle = properties["DefaultRouteSettings"]
    assert throttle["ThrottlingRateLimit"] > 0
    assert throttle["ThrottlingBurstLimit"] > 0
    assert "DestinationArn" in properties["AccessLogSettings"]


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
    assert Settings.from_environment(predict(synth.templates(stage)["api"])["Environment"]["Variables"])


def test_handler_accepts_every_host_that_the_stage_file_does():
    template = variants.rooms(api__allowed_image_hosts=["images.example.com", "*.example.org"])["api"]
    assert Settings.from_environment(predict(template)["Environment"]["Variables"]).allowed_image_hosts


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
