"""Every mode, rollout and arrangement of models: what its template says, and that AWS's own models take it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import Validations

from tests import synth
from tests.stacks import variants
from tests.stacks.hosting import DECODE, MODEL, NAMES, OTHER, VARIANTS
from tests.stacks.permissions import serving as permissions
from tests.stacks.test_findings import PACKS
from tests.stacks.test_names import CHOSEN, NAMING_PROPERTIES
from tests.stacks.test_permissions import roles, statements
from tests.stacks.test_shapes import CALLS, faults, known

pytestmark = pytest.mark.xdist_group("synth")
ENDPOINT_CONFIG, MODEL_TYPE = "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"
TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"
ALARM = "AWS::CloudWatch::Alarm"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Each variant synthesized once, with cdk-nag in it: a finding without a reason raises."""
    made = {}
    for name, changes in VARIANTS.items():
        folder = tmp_path_factory.mktemp(name.replace("/", "-"))
        app = variants.build(changes, str(folder))
        Validations.of(app).add_plugins(*(pack(app) for pack in PACKS))
        app.synth()
        made[name] = folder
    return made


@pytest.fixture(scope="module")
def templates(folders):
    return {
        name: json.loads((folder / "whippet-dev-serving.template.json").read_text()) for name, folder in folders.items()
    }


def by_id(template, kind):
    """Logical id without its hash -> properties."""
    return {
        re.sub(r"[0-9A-F]{8}$", "", name): body["Properties"] for name, body in synth.resources(template, kind).items()
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_properties_have_the_shape_of_the_call(templates, name):
    for body in synth.resources(templates[name]).values():
        if body["Type"] in CALLS:
            assert faults(body["Type"], body["Properties"]) == "", body["Type"]
            assert not set(body["Properties"]) - known(body["Type"]), body["Type"]


@pytest.mark.parametrize("name", VARIANTS)
def test_names_come_from_the_list(templates, name):
    mode = VARIANTS[name].get("serving__mode", "realtime")
    for body in synth.resources(templates[name]).values():
        for key in NAMING_PROPERTIES[body["Type"]]:
            allowed = {one.format(stage="dev") for one in CHOSEN.get((body["Type"], key), set())}
            allowed = {one.replace("realtime", mode) for one in allowed}
            assert body["Properties"].get(key, "") in {"", *allowed}, (body["Type"], key)


def test_cfn_lint_finds_nothing(folders):
    paths = [str(folder / f"whippet-dev-{room}.template.json") for folder in folders.values() for room in ("serving",)]
    options = ["--format", "json", "--regions", "us-east-1", "--ignore-checks", "W3005"]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *options, "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip(), done.stderr
    assert [(f["Rule"]["Id"], f["Message"], f["Location"]["Path"]) for f in json.loads(done.stdout)] == []


# --- serverless


def test_serverless_endpoint_has_memory_and_concurrency_and_no_instances(templates):
    config = synth.only(templates["serverless"], ENDPOINT_CONFIG)
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 7, "ProvisionedConcurrency": 2}
    assert {"InstanceType", "InitialInstanceCount"}.isdisjoint(variant)
    assert {"KmsKeyId", "DataCaptureConfig"}.isdisjoint(config)
    assert not synth.resources(templates["serverless"], TARGET)


def test_serverless_model_does_not_ask_for_isolation_which_it_cannot_have(templates):
    models = by_id(templates["serverless"], MODEL_TYPE)
    assert "EnableNetworkIsolation" not in models["ServerlessHostingModel"]
    assert models["BatchModel"]["EnableNetworkIsolation"] is True


@pytest.mark.parametrize(
    ("name", "endpoint"), [("serverless", "whippet-dev-serverless"), ("async", "whippet-dev-async")]
)
def test_another_mode_is_another_endpoint_to_every_reader(templates, name, endpoint):
    before, (after,) = synth.templates("dev")["serving"], synth.resources(templates[name], "AWS::SageMaker::Endpoint")
    assert after not in before["Resources"]
    assert synth.only(templates[name], "AWS::SageMaker::Endpoint")["EndpointName"] == endpoint
    assert templates[name]["Outputs"]["EndpointName"]["Value"] == endpoint


# --- async


def test_async_endpoint_writes_below_its_prefixes_and_tells_its_topics(templates):
    config = synth.only(templates["async"], ENDPOINT_CONFIG)["AsyncInferenceConfig"]
    output = config["OutputConfig"]
    assert config["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 4}
    assert output["S3OutputPath"]["Fn::Join"][1][-1] == "/async/output"
    assert output["S3FailurePath"]["Fn::Join"][1][-1] == "/async/failure"
    assert "KmsKeyId" in output
    topics = set(synth.resources(templates["async"], "AWS::SNS::Topic"))
    assert {one["Ref"] for one in output["NotificationConfig"].values()} == topics


def test_topics_are_encrypted_and_refuse_plain_http(templates):
    for topic in synth.resources(templates["async"], "AWS::SNS::Topic").values():
        assert "KmsMasterKeyId" in topic["Properties"]
    policies = synth.resources(templates["async"], "AWS::SNS::TopicPolicy").values()
    for policy in policies:
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(policies) == 2


def test_async_endpoint_holds_its_backlog_an_instance(templates):
    tracking = by_id(templates["async"], POLICY)["ScalingTrackingPolicy"]
    configuration = tracking["TargetTrackingScalingPolicyConfiguration"]
    assert configuration["TargetValue"] == 5.5
    assert configuration["CustomizedMetricSpecification"] == {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "whippet-dev-async"}],
        "Statistic": "Average",
    }
    assert synth.only(templates["async"], TARGET)["MinCapacity"] == 0


def test_async_endpoint_that_sleeps_is_woken_by_what_waits(templates):
    wake = by_id(templates["async"], POLICY)["ScalingWake"]
    assert wake["PolicyType"] == "StepScaling"
    assert wake["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    ]
    alarm = by_id(templates["async"], ALARM)["ScalingWaiting"]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("HasBacklogWithoutCapacity", 1)
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "whippet-dev-async"}]
    (name,) = [one for one in synth.resources(templates["async"], POLICY) if one.startswith("ScalingWake")]
    assert alarm["AlarmActions"] == [{"Ref": name}]


def test_async_endpoint_that_never_sleeps_needs_no_waking():
    never = {**VARIANTS["async"], "serving__scaling__min_instances": 1}
    assert list(by_id(variants.rooms(**never)["serving"], POLICY)) == ["ScalingTrackingPolicy"]


# --- rollouts


def deployment(template):
    return synth.only(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]


def share(percent):
    return {"Type": "CAPACITY_PERCENT", "Value": percent}


ROLLOUTS = {
    "async": {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": share(20),
            "WaitIntervalInSeconds": 300,
            "MaximumExecutionTimeoutInSeconds": 7200,
        }
    },
    "a/b": {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "LINEAR",
                "LinearStepSize": share(25),
                "WaitIntervalInSeconds": 300,
            },
            "TerminationWaitInSeconds": 120,
        }
    },
    "shadow": {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "CANARY", "CanarySize": share(20), "WaitIntervalInSeconds": 300},
            "TerminationWaitInSeconds": 0,
        }
    },
    "pipeline": {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300},
            "TerminationWaitInSeconds": 600,
        }
    },
}


@pytest.mark.parametrize("name", ROLLOUTS)
def test_rollout_is_the_stage_files(templates, name):
    found = dict(deployment(templates[name]))
    assert found.pop("AutoRollbackConfiguration")["Alarms"]
    assert found == ROLLOUTS[name]


def test_rollout_without_alarms_takes_nothing_back():
    plain = {"kind": "all-at-once", "wait_seconds": 0}
    template = variants.rooms(serving__rollout=plain)["serving"]
    assert "AutoRollbackConfiguration" not in deployment(template)
    assert not synth.resources(template, ALARM)


def test_stage_file_without_a_rollout_leaves_it_to_the_service():
    assert "DeploymentConfig" not in synth.only(synth.templates("dev")["serving"], "AWS::SageMaker::Endpoint")


def test_alarms_watch_errors_and_latency_of_every_variant_in_the_units_of_their_metrics(templates):
    seen = set()
    for alarm in synth.resources(templates["a/b"], ALARM).values():
        found = alarm["Properties"]
        dimensions = {one["Name"]: one["Value"] for one in found["Dimensions"]}
        statistic = found.get("Statistic") or found.get("ExtendedStatistic")
        seen.add((dimensions["VariantName"], found["MetricName"], statistic, found["Threshold"]))
        assert dimensions["EndpointName"] == "whippet-dev-realtime"
        assert (found["Period"], found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (60, 2, 2)
        assert found["TreatMissingData"] == "notBreaching"
    assert seen == {
        (variant, metric, statistic, threshold)
        for variant in ("primary", "blue-bird")
        # An average of ones and zeros is a share; the service counts latency in microseconds.
        for metric, statistic, threshold in (
            ("Invocation5XXErrors", "Average", 0.025),
            ("ModelLatency", "p99", 750_000),
        )
    }


def test_every_alarm_can_take_the_update_back(templates):
    alarms = {one["AlarmName"]["Ref"] for one in deployment(templates["a/b"])["AutoRollbackConfiguration"]["Alarms"]}
    assert alarms == set(synth.resources(templates["a/b"], ALARM))


# --- several models


def test_variants_share_the_requests_and_are_each_their_own_fleet(templates):
    first, second = synth.only(templates["a/b"], ENDPOINT_CONFIG)["ProductionVariants"]
    assert (first["VariantName"], first["InitialVariantWeight"]) == ("primary", 85)
    assert (second["VariantName"], second["InitialVariantWeight"]) == ("blue-bird", 15)
    assert (second["InstanceType"], second["InitialInstanceCount"]) == ("ml.c5.xlarge", 2)
    url = by_id(templates["a/b"], MODEL_TYPE)["HostingBlueBirdModel"]["PrimaryContainer"]["ModelDataUrl"]
    assert url["Fn::Join"][1][-1] == f"/{MODEL}"


def test_every_variant_scales_on_requests_at_once_and_at_its_times(templates):
    targets = by_id(templates["a/b"], TARGET)
    assert targets.keys() == {"ScalingTrackingTarget", "BlueBirdScalingTrackingTarget"}
    assert {one["ResourceId"]["Fn::Join"][1][-1] for one in targets.values()} == {
        "/variant/primary",
        "/variant/blue-bird",
    }
    for target in targets.values():
        assert target["ScheduledActions"] == [
            {
                "ScheduledActionName": "morning",
                "Schedule": "cron(0 7 ? * MON-FRI *)",
                "Timezone": "Europe/Berlin",
                "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 2},
            }
        ]
    for policy in by_id(templates["a/b"], POLICY).values():
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        assert configuration["TargetValue"] == 3.5
        assert configuration["PredefinedMetricSpecification"] == {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        }


def test_shadow_gets_its_share_of_copies_and_no_requests_of_its_own(templates):
    config = synth.only(templates["shadow"], ENDPOINT_CONFIG)
    (production,), (shadow,) = config["ProductionVariants"], config["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["InitialVariantWeight"], shadow["InitialInstanceCount"]) == ("shadow", 0.4, 3)
    assert production["InitialVariantWeight"] == 1
    assert shadow["InstanceType"] == production["InstanceType"]
    assert synth.only(templates["shadow"], TARGET)["ResourceId"]["Fn::Join"][1][-1] == "/variant/primary"


@pytest.mark.parametrize("model", ["HostingModel", "BatchModel"])
def test_pipeline_runs_its_containers_in_order(templates, model):
    found = by_id(templates["pipeline"], MODEL_TYPE)[model]
    assert "PrimaryContainer" not in found
    decode, classifier, names = found["Containers"]
    assert decode == {"ContainerHostname": "decode", "Image": DECODE}
    assert classifier["ContainerHostname"] == "classifier"
    assert (names["ContainerHostname"], names["Image"]) == ("names", NAMES)
    assert names["ModelDataUrl"]["Fn::Join"][1][-1] == f"/{OTHER}"


# --- permissions


def expected(table):
    return json.loads(json.dumps(table).replace("STAGE", "dev"))


WATCHED = {
    "async": ("Primary",),
    "serverless": ("Primary",),
    "a/b": ("BlueBird", "Primary"),
    "shadow": ("Primary",),
    "pipeline": ("Primary",),
}
HOSTING = {"async": permissions.QUEUED, "serverless": permissions.ON_DEMAND}
OTHERS = (
    "arn:aws:ecr:us-east-1:111122223333:repository/decode",
    "arn:aws:ecr:us-east-1:111122223333:repository/names",
)


@pytest.mark.parametrize("name", VARIANTS)
def test_roles_may_do_what_the_table_says_and_nothing_else(templates, name):
    found = {role: statements(body) for role, body in roles(templates[name]).items()}
    watched = found["HostingRole"].pop("WatchAlarms", (None, None, ()))
    assert set(watched[2]) == {
        f"<Rollback{variant}{what}.Arn>" for variant in WATCHED.get(name, ()) for what in ("Errors", "Latency")
    }
    table = {"HostingRole": HOSTING.get(name, permissions.HOSTING), "BatchRole": permissions.BATCH}
    if name == "pipeline":
        pull = permissions.MODEL["PullImage"]
        table = {role: {**rows, "PullImage": (*pull[:2], (*pull[2], *OTHERS))} for role, rows in table.items()}
    if name == "isolated":
        table = {role: {**rows, **permissions.PLUGS_IN} for role, rows in table.items()}
    assert json.loads(json.dumps(found)) == expected(table)


# --- a stage without a way to the internet


def test_isolated_instances_stand_in_the_isolated_subnets_and_nobody_calls_them(templates):
    (group_id,) = synth.resources(templates["isolated"], "AWS::EC2::SecurityGroup")
    group = synth.only(templates["isolated"], "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    (way_out,) = group["SecurityGroupEgress"]
    assert (way_out["IpProtocol"], way_out["FromPort"], way_out["ToPort"]) == ("tcp", 443, 443)
    models = by_id(templates["isolated"], MODEL_TYPE)
    assert models.keys() == {"HostingModel", "BatchModel"}
    for model in models.values():
        assert model["VpcConfig"]["SecurityGroupIds"] == [{"Fn::GetAtt": [group_id, "GroupId"]}]
        subnets = [subnet["Fn::ImportValue"] for subnet in model["VpcConfig"]["Subnets"]]
        assert len(subnets) == 2
        assert all("IsolatedSubnet" in subnet for subnet in subnets)


def test_instances_of_an_open_stage_stand_in_no_vpc_of_ours():
    assert all("VpcConfig" not in model for model in by_id(synth.templates("dev")["serving"], MODEL_TYPE).values())
