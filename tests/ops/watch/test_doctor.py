"""Preflight: each fault with its remedy, and what AWS does not answer as unknown rather than well."""

import json
from argparse import Namespace
from datetime import UTC, datetime

import pytest

from ops.stage import Stage
from ops.watch.doctor import examination, tools
from ops.watch.doctor.ground import bootstrap, caller, github, service_roles, zones
from ops.watch.doctor.needs import needs_of, vcpu_quota
from ops.watch.doctor.places import ami, images, listeners, objects
from ops.watch.doctor.quotas import concurrency, quotas
from tests.ops.stubbed import scripted

KEY = f"models/{'a' * 64}/model.tar.gz"
QUOTAS = {
    "ml.m5.large for endpoint usage": 4,
    "ml.m5.xlarge for training job usage": 2,
    "ml.m5.xlarge for processing job usage": 1,
    "ml.m5.large for transform job usage": 1,
    "ml.t3.medium for notebook instance usage": 1,
}


def needed(monkeypatch, **settings):
    stage, _ = scripted(monkeypatch, **settings)
    return {need.quota: need.count for need in needs_of(stage.config)}


def test_an_update_beside_the_old_fleet_takes_twice_the_fleet(monkeypatch):
    assert needed(monkeypatch)["ml.m5.large for endpoint usage"] == 4


def test_a_rolling_update_takes_one_fleet(monkeypatch):
    rolling = {"kind": "rolling", "step_percent": 50, "wait_seconds": 60}
    found = needed(monkeypatch, serving__rollout=rolling, serving__scaling__max_instances=4)
    assert found["ml.m5.large for endpoint usage"] == 4


def test_variants_and_shadow_count_by_their_own_type(monkeypatch):
    other = {"name": "b", "artifact": KEY, "version": "2", "weight_percent": 10, "instance_count": 1}
    found = needed(monkeypatch, serving__variants=[{**other, "instance_type": "ml.c5.large"}])
    assert (found["ml.m5.large for endpoint usage"], found["ml.c5.large for endpoint usage"]) == (4, 4)


def test_spot_has_a_quota_apart(monkeypatch):
    found = needed(monkeypatch, training__spot={"max_wait_seconds": 7200})
    assert "ml.m5.xlarge for spot training job usage" in found
    assert "ml.m5.xlarge for training job usage" not in found


def test_as_many_trials_as_run_at_once_and_no_fewer_than_the_training_takes(monkeypatch):
    assert needed(monkeypatch)["ml.m5.xlarge for training job usage"] == 2
    assert needed(monkeypatch, training__instance_count=5)["ml.m5.xlarge for training job usage"] == 5


@pytest.mark.parametrize(
    ("kind", "market", "code"),
    [
        ("m5.xlarge", "on-demand", "L-1216C47A"),
        ("g5.xlarge", "spot", "L-3819A6DF"),
        ("p3.2xlarge", "on-demand", "L-417A185B"),
    ],
)
def test_ec2_counts_vcpus_by_group_and_market(kind, market, code):
    assert vcpu_quota(kind, market) == code


def offered(values):
    listed = [
        {"QuotaName": name, "Value": value, "QuotaCode": f"L-{number}"}
        for number, (name, value) in enumerate(values.items())
    ]
    return {"Quotas": listed}


def with_quotas(monkeypatch, own, *, notebook=False):
    more = {"workbench__notebook__enabled": True} if notebook else {}
    stage, script = scripted(monkeypatch, workbench__box__enabled=False, **more)
    asked = {"ServiceCode": "sagemaker"}
    script.says("service-quotas", "list_aws_default_service_quotas", offered(dict.fromkeys(QUOTAS, 0.0)), asked)
    script.says("service-quotas", "list_service_quotas", offered(own), asked)
    return list(quotas(stage))


def test_enough_of_every_quota_is_well(monkeypatch):
    assert {one.state for one in with_quotas(monkeypatch, QUOTAS)} == {"well"}


def test_too_little_is_a_fault_with_the_command_that_asks_for_more(monkeypatch):
    short = next(
        one for one in with_quotas(monkeypatch, QUOTAS | {"ml.m5.large for endpoint usage": 2}) if one.state == "fault"
    )
    assert short.said == "2, of which the stage takes 4 (both fleets of an update, at most)"
    assert "--service-code sagemaker --quota-code L-0 --desired-value 4" in short.remedy


@pytest.mark.parametrize("name", QUOTAS)
def test_each_quota_that_is_short_is_a_fault_with_its_own_command(monkeypatch, name):
    number = list(QUOTAS).index(name)
    short = [one for one in with_quotas(monkeypatch, QUOTAS | {name: 0}, notebook=True) if one.state == "fault"]
    assert [one.what for one in short] == [f"quota {name}"]
    assert f"--quota-code L-{number} --desired-value {QUOTAS[name]};" in short[0].remedy


def test_where_the_account_has_no_quota_of_its_own_the_default_counts(monkeypatch):
    """A new account: AWS's default for endpoints is 0."""
    own = {name: value for name, value in QUOTAS.items() if "endpoint" not in name}
    assert [one.what for one in with_quotas(monkeypatch, own) if one.state == "fault"] == [
        "quota ml.m5.large for endpoint usage"
    ]


def test_quotas_that_may_not_be_read_are_unknown_and_not_well(monkeypatch):
    stage, script = scripted(monkeypatch, workbench__box__enabled=False)
    script.refuses("service-quotas", "list_aws_default_service_quotas", "AccessDeniedException", "no")
    found = list(quotas(stage))
    assert {one.state for one in found} == {"unknown"}
    assert "may not call ListAWSDefaultServiceQuotas" in found[0].said


def doctor(monkeypatch, stage, **looks):
    monkeypatch.setattr(examination, "LOOKS", looks)
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(examination, "_warnings", lambda _: [])
    return examination.run(Namespace(stage="dev", stages=None, json=True))


@pytest.mark.parametrize("service", ["service-quotas", "lambda"])
def test_quotas_that_may_not_be_read_leave_no_account_ready(monkeypatch, capsys, service):
    stage, script = scripted(monkeypatch, workbench__box__enabled=False)
    operation = {"service-quotas": "list_aws_default_service_quotas", "lambda": "get_account_settings"}[service]
    script.refuses(service, operation, "AccessDeniedException", "no")
    look = {"service-quotas": quotas, "lambda": concurrency}[service]
    assert doctor(monkeypatch, stage, look=look) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["ready"] is False
    assert all(one["withheld"] for one in found["findings"])


def test_vcpus_that_the_region_has_no_quota_of_are_unknown_and_nothing_was_withheld(monkeypatch):
    stage, script = scripted(monkeypatch, workbench__box__enabled=True)
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):
        script.says("service-quotas", listing, offered(QUOTAS))
    script.says("ec2", "describe_instance_types", {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 4}}]})
    script.refuses("service-quotas", "get_service_quota", "NoSuchResourceException")
    (box,) = (one for one in quotas(stage) if "vCPUs" in one.what)
    assert (box.state, box.withheld) == ("unknown", False)


def test_a_quota_that_aws_does_not_list_is_unknown_and_nothing_was_withheld(monkeypatch, capsys):
    stage, script = scripted(monkeypatch, workbench__box__enabled=False)
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):
        script.says("service-quotas", listing, {"Quotas": []})
    assert doctor(monkeypatch, stage, look=quotas) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ready"] is True
    assert {(one["state"], one["withheld"]) for one in found["findings"]} == {("unknown", False)}


def test_the_boxs_vcpus_are_held_against_ec2s_quota(monkeypatch):
    stage, script = scripted(monkeypatch, workbench__box__enabled=True)
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):
        script.says("service-quotas", listing, offered(QUOTAS))
    script.says("ec2", "describe_instance_types", {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 4}}]})
    script.says(
        "service-quotas",
        "get_service_quota",
        {"Quota": {"Value": 1.0}},
        {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"},
    )
    (box,) = (one for one in quotas(stage) if "vCPUs" in one.what)
    assert (box.state, box.said) == ("fault", "1, of which the stage takes 4 (the box)")


def limits(monkeypatch, limit, free, deployed=None, **settings):
    stage, script = scripted(monkeypatch, {"api": {"PredictFunctionName": "f"}} if deployed else {}, **settings)
    answer = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": free}}
    script.says("lambda", "get_account_settings", answer)
    if deployed:
        held = {"ReservedConcurrentExecutions": deployed}
        script.says("lambda", "get_function_concurrency", held, {"FunctionName": "f"})
    (found,) = concurrency(stage)
    return found


def test_a_reservation_that_leaves_fewer_than_lambda_keeps_is_a_fault(monkeypatch):
    found = limits(monkeypatch, 10, 10, api__concurrency__reserved=5)
    assert found.state == "fault"
    assert "AWS keeps 100" in found.said
    assert "--quota-code L-B99A9384 --desired-value 105" in found.remedy


def test_a_reservation_that_is_deployed_is_not_counted_twice(monkeypatch):
    assert limits(monkeypatch, 1000, 100, deployed=900, api__concurrency__reserved=900).state == "well"


def test_a_reservation_that_is_raised_takes_what_it_is_raised_by(monkeypatch):
    found = limits(monkeypatch, 1000, 900, deployed=100, api__concurrency__reserved=950)
    assert found.state == "fault"
    assert "950 for the stage, 50 left" in found.said
    assert "--desired-value 1050" in found.remedy


def test_a_reservation_that_is_lowered_gives_back(monkeypatch):
    assert limits(monkeypatch, 1000, 50, deployed=950, api__concurrency__reserved=100).state == "well"


def test_an_account_without_bootstrap_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.refuses("ssm", "get_parameter", "ParameterNotFound")
    (found,) = bootstrap(stage)
    assert found.state == "fault"
    assert "cdk bootstrap aws://111122223333/us-east-1 -c stage=dev" in found.remedy


@pytest.mark.parametrize(("policies", "state"), [("arn:aws:iam::1:policy/whippet-policy-1", "well"), ("", "note")])
def test_bootstrap_that_makes_cloudformation_an_administrator_is_noted(monkeypatch, policies, state):
    stage, script = scripted(monkeypatch)
    script.says("ssm", "get_parameter", {"Parameter": {"Value": "30"}})
    parameters = [{"ParameterKey": "CloudFormationExecutionPolicies", "ParameterValue": policies}]
    stack = {
        "StackName": "CDKToolkit",
        "CreationTime": datetime.now(UTC),
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": parameters,
    }
    script.says("cloudformation", "describe_stacks", {"Stacks": [stack]})
    assert [one.state for one in bootstrap(stage)] == ["well", state]


def test_an_old_bootstrap_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.says("ssm", "get_parameter", {"Parameter": {"Value": "5"}})
    (found,) = bootstrap(stage)
    assert (found.state, found.said) == ("fault", "version 5; the templates ask for 6")


def test_root_is_noted(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.says("sts", "get_caller_identity", {"Arn": "arn:aws:iam::111122223333:root", "Account": "111122223333"})
    (found,) = caller(stage)
    assert found.state == "note"


def test_a_service_role_that_is_missing_is_noted_with_its_command(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.refuses("iam", "get_role", "NoSuchEntity")
    (found,) = service_roles(stage)
    assert found.state == "note"
    assert found.remedy.endswith("--aws-service-name sagemaker.application-autoscaling.amazonaws.com")


def test_a_zone_that_the_account_does_not_have_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch, workbench__box__enabled=False)
    script.says(
        "ec2", "describe_availability_zones", {"AvailabilityZones": [{"ZoneName": "us-east-1a", "State": "available"}]}
    )
    (found,) = zones(stage)
    assert found.said == "us-east-1b: not for this account in us-east-1"
    assert found.remedy == "choose network.zones from us-east-1a"


@pytest.mark.parametrize(
    ("offering", "state", "said"),
    [
        (["us-east-1a", "us-east-1b"], "well", "is offered in us-east-1a, us-east-1b"),
        (["us-east-1b"], "note", "is not offered in us-east-1a"),
        (["us-east-1f"], "fault", "is offered in none of us-east-1a, us-east-1b"),
        ([], "fault", "is not offered in this region"),
    ],
)
def test_the_boxs_type_is_looked_for_in_its_zones(monkeypatch, offering, state, said):
    stage, script = scripted(monkeypatch, workbench__box__enabled=True)
    both = [{"ZoneName": f"us-east-1{letter}", "State": "available"} for letter in "ab"]
    script.says("ec2", "describe_availability_zones", {"AvailabilityZones": both})
    script.says(
        "ec2", "describe_instance_type_offerings", {"InstanceTypeOfferings": [{"Location": zone} for zone in offering]}
    )
    found = list(zones(stage))[1]
    assert (found.state, found.said) == (state, said)


@pytest.mark.parametrize(
    ("provider", "there", "state"),
    [("create", True, "fault"), ("create", False, "well"), ("import", False, "fault"), ("import", True, "well")],
)
def test_an_account_holds_one_identity_provider_of_githubs(monkeypatch, provider, there, state):
    stage, script = scripted(
        monkeypatch,
        operations__github={"provider": provider, "repository": "o/r", "branch": "main", "diff_pull_requests": False},
    )
    arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    script.says("iam", "list_open_id_connect_providers", {"OpenIDConnectProviderList": [{"Arn": arn}] if there else []})
    (found,) = github(stage)
    assert found.state == state


def test_an_image_that_is_gone_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.refuses("ecr", "describe_images", "ImageNotFoundException")
    (found,) = images(stage)
    assert found.state == "fault"
    assert "dkr.ecr.us-east-1.amazonaws.com/pytorch:" in found.said


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_the_stages_own_image_that_is_not_there_is_a_fault_and_its_remedy_another(monkeypatch, code):
    uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1"
    stage, script = scripted(monkeypatch, image__source="uri", image__uri=uri)
    script.says("ecr", "describe_images", {"imageDetails": [{"imageSizeInBytes": 5_000_000_000}]})
    script.refuses("ecr", "describe_images", code)
    training, own = images(stage)
    assert (training.state, training.said) == ("well", "is there, 5.0 GB")
    assert (own.what, own.state, own.remedy) == ("image.uri", "fault", "push it, or name one that is there")


def test_weights_that_are_not_in_the_bucket_are_a_fault(monkeypatch):
    weights = {"key": "weights/resnet50.pth", "sha256": "a" * 64}
    stage, script = scripted(monkeypatch, {"data": {"BucketName": "b"}}, training__weights=weights)
    script.refuses("s3", "head_object", "404")
    assert [(one.what, one.state) for one in objects(stage)] == [
        ("model.artifact", "well"),
        ("training.weights.key", "fault"),
    ]


def test_a_model_that_may_not_be_read_is_unknown_and_the_doctor_does_not_call_that_ready(monkeypatch, capsys):
    stage, script = scripted(monkeypatch, {"data": {"BucketName": "b"}}, model__artifact=KEY, model__version="7")
    script.refuses("s3", "head_object", "403", "Forbidden")
    monkeypatch.setattr(examination, "LOOKS", {"model and weights": objects})
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(examination, "_warnings", lambda _: [])
    assert examination.run(Namespace(stage="dev", stages=None, json=False)) == 3
    said = capsys.readouterr().out
    assert "unknown model and weights: These credentials may not call HeadObject: Forbidden" in said
    assert "Not known, since AWS withheld part of it: 0 faults, 1 unknown, 0 notes, 0 well." in said


def test_a_model_that_is_not_in_the_bucket_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch, {"data": {"BucketName": "b"}}, model__artifact=KEY, model__version="7")
    script.refuses("s3", "head_object", "404")
    (found,) = objects(stage)
    assert (found.state, found.said) == ("fault", f"s3://b/{KEY} is not there")


def test_a_model_before_the_bucket_is_a_fault_that_says_what_to_do_first(monkeypatch):
    stage, _ = scripted(monkeypatch, model__artifact=KEY, model__version="7")
    (found,) = objects(stage)
    assert 'deploy with "starter"' in found.remedy


def test_an_ami_that_aws_does_not_name_is_a_fault(monkeypatch):
    stage, script = scripted(monkeypatch, workbench__box__enabled=True)
    script.refuses("ssm", "get_parameter", "ParameterNotFound")
    (found,) = ami(stage)
    assert (found.what, found.state) == ("workbench.box.ami_type", "fault")


def test_who_has_not_confirmed_hears_nothing_and_is_named(monkeypatch):
    outputs = {"operations": {"NewsTopicArn": "arn:aws:sns:us-east-1:111122223333:news"}}
    stage, script = scripted(monkeypatch, outputs, operations__emails=["a@example.com", "b@example.com"])
    waiting = [{"Endpoint": "b@example.com", "SubscriptionArn": "PendingConfirmation"}]
    script.says("sns", "list_subscriptions_by_topic", {"Subscriptions": waiting})
    (found,) = listeners(stage)
    assert (found.state, found.said) == ("note", "b@example.com has not confirmed")


def test_a_tool_of_another_version_is_a_fault(monkeypatch):
    monkeypatch.setattr(tools, "_installed", lambda _name: "1.0.0")
    monkeypatch.setattr(tools, "_said", lambda _command: None)
    stage, _ = scripted(monkeypatch)
    found = {one.what: one for one in tools.tools(stage)}
    assert found["boto3"].said.startswith("is 1.0.0; the project works with ")
    assert found["aws-cdk (its command line)"].said.startswith("is not installed")


def test_docker_is_asked_for_only_where_it_builds(monkeypatch):
    monkeypatch.setattr(tools, "_said", lambda _command: None)
    found = {one.what: one for one in tools.tools(scripted(monkeypatch, image__source="docker")[0])}
    assert found["Docker"].state == "fault"
    assert "Docker" not in {one.what for one in tools.tools(scripted(monkeypatch)[0])}


def test_one_look_that_aws_withholds_leaves_the_others_their_say(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.refuses("sts", "get_caller_identity", "ExpiredToken")
    script.refuses("ssm", "get_parameter", "ParameterNotFound")
    monkeypatch.setattr(examination, "LOOKS", {"credentials": caller, "bootstrap": bootstrap})
    assert [(one.what, one.state) for one in examination.examined(stage)] == [
        ("credentials", "unknown"),
        ("bootstrap", "fault"),
    ]
