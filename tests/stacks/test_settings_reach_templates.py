"""Every key of the stage file that sets a property sets that property and no other."""

import pytest

from tests import synth
from tests.stacks import variants

pytestmark = pytest.mark.xdist_group("synth")

VARIANT = "ProductionVariants.0."
PREDICTIONS = "RouteSettings.POST /predict."
TRACKING = "TargetTrackingScalingPolicyConfiguration."
# Key, a value that stands nowhere else, room, type, property. Keys set together share no value.
SETTINGS = [
    ("serving__instance_type", "ml.c5.9xlarge", "serving", "AWS::SageMaker::EndpointConfig", VARIANT + "InstanceType"),
    ("serving__instance_count", 3, "serving", "AWS::SageMaker::EndpointConfig", VARIANT + "InitialInstanceCount"),
    (
        "serving__capture_percent",
        37,
        "serving",
        "AWS::SageMaker::EndpointConfig",
        "DataCaptureConfig.InitialSamplingPercentage",
    ),
    ("serving__scaling__min_instances", 2, "serving", "AWS::ApplicationAutoScaling::ScalableTarget", "MinCapacity"),
    ("serving__scaling__max_instances", 17, "serving", "AWS::ApplicationAutoScaling::ScalableTarget", "MaxCapacity"),
    (
        "serving__scaling__target_invocations_per_minute",
        1234.5,
        "serving",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        TRACKING + "TargetValue",
    ),
    (
        "serving__scaling__scale_out_cooldown_seconds",
        41,
        "serving",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        TRACKING + "ScaleOutCooldown",
    ),
    (
        "serving__scaling__scale_in_cooldown_seconds",
        43,
        "serving",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        TRACKING + "ScaleInCooldown",
    ),
    ("network__cidr", "10.77.0.0/20", "network", "AWS::EC2::VPC", "CidrBlock"),
    ("network__flow_log_days", 731, "network", "AWS::Logs::LogGroup", "RetentionInDays"),
    ("api__gateway_timeout_seconds", 28, "api", "AWS::ApiGatewayV2::Integration", "TimeoutInMillis"),
    ("api__memory_mb", 1111, "api", "AWS::Lambda::Function", "MemorySize"),
    ("api__timeout_seconds", 27, "api", "AWS::Lambda::Function", "Timeout"),
    ("api__invoke_timeout_seconds", 13, "api", "AWS::Lambda::Function", "Environment.Variables.INVOKE_TIMEOUT_SECONDS"),
    ("api__fetch_timeout_seconds", 11, "api", "AWS::Lambda::Function", "Environment.Variables.FETCH_TIMEOUT_SECONDS"),
    ("api__max_image_bytes", 1_234_567, "api", "AWS::Lambda::Function", "Environment.Variables.MAX_IMAGE_BYTES"),
    ("api__max_images", 9, "api", "AWS::Lambda::Function", "Environment.Variables.MAX_IMAGES"),
    ("api__max_upload_bytes", 7_654_321, "api", "AWS::Lambda::Function", "Environment.Variables.MAX_UPLOAD_BYTES"),
    ("api__upload_seconds", 123, "api", "AWS::Lambda::Function", "Environment.Variables.UPLOAD_SECONDS"),
    ("api__top_k", 7, "api", "AWS::Lambda::Function", "Environment.Variables.TOP_K"),
    (
        "api__throttle_requests_per_second",
        19,
        "api",
        "AWS::ApiGatewayV2::Stage",
        PREDICTIONS + "ThrottlingRateLimit",
    ),
    ("api__throttle_burst", 29, "api", "AWS::ApiGatewayV2::Stage", PREDICTIONS + "ThrottlingBurstLimit"),
    (
        "api__open_requests_per_second",
        31,
        "api",
        "AWS::ApiGatewayV2::Stage",
        "DefaultRouteSettings.ThrottlingRateLimit",
    ),
    ("api__open_burst", 33, "api", "AWS::ApiGatewayV2::Stage", "DefaultRouteSettings.ThrottlingBurstLimit"),
]


@pytest.fixture(scope="module")
def templates():
    return variants.rooms(**{key: value for key, value, *_ in SETTINGS})


@pytest.mark.parametrize(("key", "value", "room", "kind", "path"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_setting_reaches_its_property(templates, key, value, room, kind, path):
    found = synth.only(templates[room], kind)
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    assert str(found) == str(value * 1000 if path.endswith("InMillis") else value)


def test_logs_expire_when_the_stage_file_says():
    for template in (variants.rooms(api__log_days=545)["api"],):
        groups = synth.resources(template, "AWS::Logs::LogGroup").values()
        assert [group["Properties"]["RetentionInDays"] for group in groups] == [545, 545]


def test_capture_takes_requests_and_answers(templates):
    options = synth.only(templates["serving"], "AWS::SageMaker::EndpointConfig")["DataCaptureConfig"]["CaptureOptions"]
    assert options == [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]


def test_functions_name_a_handler_that_exists(templates):
    for room, folder in (("api", "predict"), ("image", "build_image")):
        handler = synth.only(templates[room], "AWS::Lambda::Function")["Handler"]
        assert handler == f"{folder}.handler.handle"
        assert "def handle(" in (synth.ROOT / "lambda_src" / folder / "handler.py").read_text()


def test_account_of_the_stage_file_pins_every_stack():
    assert variants.environments(stage__account="123456789012") == {"123456789012"}


def test_warnings_reach_the_person_at_the_command_line():
    assert "local NVMe storage" in variants.warnings(serving__instance_type="ml.g5.xlarge")
