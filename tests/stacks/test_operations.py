"""The operations stack: what each setting reaches, whom the key serves, and what GitHub's roles trust."""

import json

import cdk_nag
import pytest
from aws_cdk import Validations

from lambda_src.idle.settings import Settings
from tests import synth
from tests.stacks import variants
from tests.stacks.metrics_in_templates import asked
from tests.stacks.permissions import operations as permissions
from tests.stacks.published_metrics import PUBLISHED
from tests.stacks.test_permissions import plain, roles, statements

pytestmark = pytest.mark.xdist_group("synth")
GITHUB = {
    "operations__github__provider": "create",
    "operations__github__repository": "owner@1/name@2",
    "operations__github__branch": "main",
}
TRAIL = {"operations__trail__enabled": True, "operations__trail__keep_days": 77}


def operations(**changes):
    return variants.rooms(**changes)["operations"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_key_of_the_topic_serves_those_who_publish_and_nobody_else(stage):
    key = synth.only(synth.templates(stage)["operations"], "AWS::KMS::Key")
    expected = json.loads(json.dumps(permissions.news_key(stage)))
    assert json.loads(json.dumps([plain(one) for one in key["KeyPolicy"]["Statement"]])) == expected
    assert key["EnableKeyRotation"] is True


@pytest.mark.parametrize("stage", synth.STAGES)
def test_topic_is_under_its_key(stage):
    topic = synth.only(synth.templates(stage)["operations"], "AWS::SNS::Topic")
    assert plain(topic["KmsMasterKeyId"]) == "<NewsKey.Arn>"


def test_every_address_is_subscribed():
    template = operations(operations__emails=["a@example.com", "b@example.com"])
    found = synth.resources(template, "AWS::SNS::Subscription").values()
    assert {(body["Properties"]["Protocol"], body["Properties"]["Endpoint"]) for body in found} == {
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    }


def test_thresholds_reach_their_alarms():
    template = operations(
        operations__alarms__memory_percent=81.5,
        operations__alarms__throttles_per_minute=17,
        operations__alarms__latency_p99_ms=1111,
    )
    found = {
        name[:-8].removeprefix("Alarms"): body["Properties"]["Threshold"]
        for name, body in synth.resources(template, "AWS::CloudWatch::Alarm").items()
    }
    assert (found["MemoryFull"], found["FunctionThrottled"], found["ModelSlow"]) == (81.5, 17, 1_111_000)


def test_environment_is_what_the_sweep_reads():
    template = operations(
        operations__idle__sweep="report",
        operations__idle__every_minutes=21,
        operations__idle__box_idle_minutes=61,
        operations__idle__box_cpu_percent=7.5,
        operations__idle__notebook_hours=13,
        operations__idle__endpoint_idle_days=3,
        operations__idle__stopped_days=9,
    )
    given = synth.only(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert given.keys() == Settings.VARIABLES.keys()
    settings = Settings.from_environment({**given, "TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:news"})
    assert (settings.project, settings.stage, settings.stops) == ("whippet", "dev", False)
    assert (given["EVERY_MINUTES"], given["BOX_IDLE_MINUTES"], given["BOX_CPU_PERCENT"]) == ("21", "61", "7.5")
    assert (given["NOTEBOOK_HOURS"], given["ENDPOINT_IDLE_DAYS"], given["STOPPED_DAYS"]) == ("13", "3", "9")
    schedules = [
        body["Properties"]["ScheduleExpression"]
        for body in synth.resources(template, "AWS::Events::Rule").values()
        if "ScheduleExpression" in body["Properties"]
    ]
    assert schedules == ["rate(21 minutes)"]


def test_a_sweep_that_only_reports_may_stop_nothing():
    (role,) = roles(operations(operations__idle__sweep="report")).values()
    assert statements(role).keys() == permissions.REPORT.keys()


def test_without_a_sweep_there_is_neither_function_nor_watchman():
    template = operations(operations__idle__sweep="off")
    assert not synth.resources(template, "AWS::Lambda::Function")
    assert not [name for name in synth.resources(template, "AWS::CloudWatch::Alarm") if "Sweep" in name]


def test_a_failing_endpoint_is_told_of_in_plain_words():
    (rule,) = [
        body["Properties"]
        for name, body in synth.resources(synth.templates("dev")["operations"], "AWS::Events::Rule").items()
        if "EndpointFailed" in name
    ]
    assert plain(rule["EventPattern"])["detail"] == {
        "EndpointArn": ("arn:aws:sagemaker:us-east-1:ACCOUNT:endpoint/whippet-dev-realtime",),
        "EndpointStatus": ("FAILED", "ROLLING_BACK", "UPDATE_ROLLBACK_FAILED"),
    }
    (target,) = rule["Targets"]
    assert plain(target["Arn"]) == "<NewsTopic>"
    template = target["InputTransformer"]["InputTemplate"]
    assert json.loads(template).startswith("The endpoint <name> is <status>")
    assert set(target["InputTransformer"]["InputPathsMap"]) == {"name", "status"}


def test_a_failing_step_of_our_pipeline_is_told_of_with_its_reason():
    template = synth.templates("dev")["operations"]
    rules = synth.resources(template, "AWS::Events::Rule")
    (name,) = [one for one in rules if "PipelineFailed" in one]
    assert plain(rules[name]["Properties"]["EventPattern"]) == {
        "source": ("aws.sagemaker",),
        "detail-type": ("SageMaker Model Building Pipeline Execution Step Status Change",),
        "detail": {
            "pipelineArn": ("arn:aws:sagemaker:us-east-1:ACCOUNT:pipeline/whippet-dev-training",),
            "currentStepStatus": ("Failed",),
        },
    }
    statement = {
        one["Sid"]: one for one in synth.only(template, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    }
    admitted = plain(statement["EventsMayPublish"]["Condition"]["ArnEquals"]["aws:SourceArn"])
    assert set(admitted) == {"<FailuresEndpointFailed.Arn>", "<FailuresPipelineFailed.Arn>"}


def test_pipeline_is_on_the_page_by_metrics_that_are_published():
    found = [one for one in asked(synth.templates("dev")) if one.namespace == "AWS/Sagemaker/ModelBuildingPipeline"]
    assert {one.name for one in found} == {"ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed"}
    for one in found:
        row = PUBLISHED[one.namespace, one.name]
        assert (set(one.dimensions), one.statistic in row.statistics) == (row.dimensions, True)


def test_budget_counts_what_carries_both_tags_and_tells_the_topic_early():
    template = operations(operations__monthly_budget_usd=123.0, operations__emails=["a@example.com"])
    budget = synth.only(template, "AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 123, "Unit": "USD"}
    assert [one["Tags"]["Key"] for one in budget["Budget"]["FilterExpression"]["And"]] == ["project", "stage"]
    told = [
        (one["Notification"]["NotificationType"], one["Notification"]["Threshold"])
        for one in budget["NotificationsWithSubscribers"]
    ]
    assert told == [("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
    for one in budget["NotificationsWithSubscribers"]:
        assert [plain(to["Address"]) for to in one["Subscribers"]] == ["<NewsTopic>"]


def trust(role):
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    return plain(statement["Principal"]), statement["Condition"]["StringEquals"]


def test_deploys_are_trusted_to_the_letter_of_the_token():
    template = operations(**GITHUB)
    found = roles(template)
    principal, presented = trust(found["GithubDeployRole"])
    assert principal == {"Federated": "<GithubProvider.Arn>"}
    assert presented == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:owner@1/name@2:ref:refs/heads/main",
    }
    assert "GithubDiffRole" not in found
    assert found["GithubDeployRole"]["Properties"]["MaxSessionDuration"] == 3600


def test_an_imported_provider_is_the_accounts():
    template = operations(**{**GITHUB, "operations__github__provider": "import"})
    assert not synth.resources(template, "AWS::IAM::OIDCProvider")
    principal, _ = trust(roles(template)["GithubDeployRole"])
    assert principal == {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com"}


def test_a_stage_whose_images_docker_builds_may_publish_them():
    (row,) = statements(roles(operations(**GITHUB, image__source="docker"))["GithubDeployRole"]).values()
    assert [one.split("cdk-hnb659fds-")[1].split("-role-")[0] for one in row[2]] == [
        "deploy",
        "file-publishing",
        "image-publishing",
        "lookup",
    ]


def test_trail_is_validated_encrypted_and_forgets():
    template = operations(**TRAIL)
    trail = synth.only(template, "AWS::CloudTrail::Trail")
    assert (trail["TrailName"], trail["EnableLogFileValidation"]) == ("whippet-dev-trail", True)
    assert plain(trail["KMSKeyId"]) == "<TrailKey.Arn>"
    assert "DataResources" not in trail["EventSelectors"][0]
    (rule,) = synth.only(template, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 77


def test_only_this_trail_may_write_its_record_and_use_its_key():
    template = operations(**TRAIL)
    source = {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:ACCOUNT:trail/whippet-dev-trail"}
    policy = plain(synth.only(template, "AWS::S3::BucketPolicy")["PolicyDocument"])["Statement"]
    admitted = {one["Sid"]: one for one in policy if one["Effect"] == "Allow"}
    assert admitted.keys() == {"TrailMayCheck", "TrailMayWrite"}
    assert admitted["TrailMayWrite"]["Resource"] == "<TrailBucket.Arn>/AWSLogs/ACCOUNT/*"
    (key,) = [body for name, body in synth.resources(template, "AWS::KMS::Key").items() if name.startswith("TrailKey")]
    lent = [one for one in plain(key["Properties"]["KeyPolicy"])["Statement"] if "Sid" in one]
    assert {one["Sid"] for one in lent} == {"TrailMayEncrypt", "TrailMayDecrypt", "TrailMayDescribe"}
    for one in [*admitted.values(), *lent]:
        assert one["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
        assert source.items() <= one["Condition"]["StringEquals"].items()


def test_trail_records_reads_of_the_bucket_where_it_is_told_to():
    trail = synth.only(operations(**TRAIL, operations__trail__data_events=True), "AWS::CloudTrail::Trail")
    ((watched,),) = [one["DataResources"] for one in trail["EventSelectors"]]
    assert plain(watched) == {"Type": "AWS::S3::Object", "Values": ("<data:Bucket.Arn>/",)}


def test_everything_at_once_has_no_finding_without_a_reason(tmp_path):
    changes = {
        **GITHUB,
        **TRAIL,
        "operations__github__diff_pull_requests": True,
        "operations__monthly_budget_usd": 10.0,
        "operations__emails": ["a@example.com"],
    }
    app = variants.build(changes, str(tmp_path))
    Validations.of(app).add_plugins(*(pack(app) for pack in (cdk_nag.AwsSolutionsChecks, cdk_nag.ServerlessChecks)))
    app.synth()  # raises with the findings
