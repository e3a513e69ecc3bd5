"""What starts the pipeline by itself: the rules, the queue, and that no run starts another."""

import re

import pytest

from lambda_src.intake.arrival import KEY, read_event
from lambda_src.intake.pictures import KINDS
from lambda_src.intake.settings import Settings
from tests import synth
from tests.stacks import pipelines, variants
from tests.stacks.pipelines import training
from tests.stacks.test_permissions import roles, statements

pytestmark = pytest.mark.xdist_group("synth")


def intake(template, kind, part=""):
    (found,) = [body["Properties"] for name, body in synth.resources(template, kind).items() if f"Intake{part}" in name]
    return found


def matches(pattern, key):
    """As EventBridge's wildcard: a star is any run of characters, slashes among them."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), key) is not None


MANIFESTS, PICTURES = "ManifestArrived", "PictureArrived"


def keys(template, rule):
    pattern = intake(template, "AWS::Events::Rule", rule)["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert set(pattern["detail"]) == {"bucket", "object"}
    return [key["wildcard"] for key in pattern["detail"]["object"]["key"]]


def queue_named(template, part):
    (name,) = [name for name in synth.resources(template, "AWS::SQS::Queue") if name.startswith(f"Intake{part}")]
    return name


def test_a_manifest_below_dataset_calls_the_intake_and_a_failure_is_kept():
    template = training()
    assert keys(template, MANIFESTS) == ["dataset/*/manifest.json"]
    (target,) = intake(template, "AWS::Events::Rule", MANIFESTS)["Targets"]
    (function,) = synth.resources(template, "AWS::Lambda::Function")
    dead = {"Fn::GetAtt": [queue_named(template, "Failures"), "Arn"]}
    assert target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": dead}
    assert intake(template, "AWS::Lambda::Function")["DeadLetterConfig"] == {"TargetArn": dead}
    assert intake(template, "AWS::Lambda::Permission")["Principal"] == "events.amazonaws.com"


def test_pictures_wait_in_a_queue_and_never_take_all_of_the_accounts_concurrency():
    template = training()
    pictures, failures = queue_named(template, "Pictures"), queue_named(template, "Failures")
    assert {key.removeprefix("dataset/*").lower() for key in keys(template, PICTURES)} == set(KINDS)
    assert any(matches(key, "dataset/dogs/train/a/1.JPG") for key in keys(template, PICTURES))
    (target,) = intake(template, "AWS::Events::Rule", PICTURES)["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [pictures, "Arn"]}
    mapping = intake(template, "AWS::Lambda::EventSourceMapping", "Taking")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [pictures, "Arn"]}
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    redrive = synth.resources(template)[pictures]["Properties"]["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": [failures, "Arn"]}, "maxReceiveCount": 3}


def test_what_was_kept_is_taken_in_again_only_when_a_person_says_so():
    template = training()
    mapping, failures = (
        intake(template, "AWS::Lambda::EventSourceMapping", "Redrive"),
        queue_named(template, "Failures"),
    )
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [failures, "Arn"]}
    assert (mapping["Enabled"], mapping["FunctionResponseTypes"]) == (False, ["ReportBatchItemFailures"])
    rest = synth.resources(template)[failures]["Properties"]["VisibilityTimeout"]
    assert rest == 6 * intake(template, "AWS::Lambda::Function")["Timeout"]


def test_manifests_alone_are_looked_at_where_the_stage_file_says_so():
    template = variants.rooms(training__check_new_pictures=False)["training"]
    assert len(synth.resources(template, "AWS::Events::Rule")) == 1
    assert len(synth.resources(template, "AWS::SQS::Queue")) == 1
    found = statements(roles(template)["IntakeFunctionPartsRole"])
    assert "TagArrivals" not in found
    assert found["ReadArrivals"][2] == ("<data:Bucket.Arn>/dataset/*/manifest.json",)


def test_nothing_that_the_pipeline_writes_comes_back_as_new_data():
    """One way only: by the rules' patterns, and by what the steps' roles may write at all."""
    template = training()
    patterns = [*keys(template, MANIFESTS), *keys(template, PICTURES)]
    written = {
        resource.removeprefix("<data:Bucket.Arn>/")
        for role in roles(template).values()
        for _, actions, resources, *_ in statements(role).values()
        if {"s3:PutObject", "s3:DeleteObject"} & set(actions)
        for resource in resources
    }
    assert {prefix.split("/")[0] for prefix in written} == {"runs", "models"}
    for prefix in written:
        for key in (prefix.replace("*", end) for end in ("x", "dataset/x/manifest.json", "dataset/x.jpg")):
            assert not any(matches(pattern, key) for pattern in patterns)
    assert matches(patterns[0], "dataset/dogs/manifest.json")


def test_a_tag_is_no_arrival():
    """S3 calls it "Object Tags Added", so that what the intake does never calls it again."""
    tagging = {
        name
        for name, role in roles(training()).items()
        for _, actions, *_ in statements(role).values()
        if "s3:PutObjectTagging" in actions
    }
    assert tagging == {"IntakeFunctionPartsRole"}
    for rule in (MANIFESTS, PICTURES):
        pattern = intake(training(), "AWS::Events::Rule", rule)["EventPattern"]
        assert pattern["detail-type"] == ["Object Created"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_handler_accepts_its_environment_and_the_pattern_fits_what_it_takes(stage):
    template = training(stage)
    given = intake(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert given.keys() == Settings.VARIABLES.keys()
    settings = Settings.from_environment({**given, "BUCKET": "a-bucket"})
    assert settings.pipeline_name == synth.only(template, "AWS::SageMaker::Pipeline")["PipelineName"]
    assert KEY.fullmatch("dataset/dogs/manifest.json")


def test_the_prefix_that_intake_starts_with_is_the_pipelines_parameter():
    (parameter,) = pipelines.definition(training())["Parameters"]
    event = {"detail": {"bucket": {"name": "b"}, "object": {"key": "dataset/dogs/manifest.json", "etag": "e"}}}
    (arrival,) = read_event(event, "b")
    assert arrival.prefix == "dataset/dogs"
    source = (synth.ROOT / "lambda_src" / "intake" / "access.py").read_text()
    assert f'"Name": "{parameter["Name"]}"' in source


def test_without_start_on_new_data_nothing_listens():
    template = variants.rooms(training__start_on_new_data=False)["training"]
    for kind in ("AWS::Events::Rule", "AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping"):
        assert not synth.resources(template, kind)


def test_the_intakes_log_expires_when_the_stage_file_says():
    template = variants.rooms(training__log_days=545)["training"]
    assert synth.only(template, "AWS::Logs::LogGroup")["RetentionInDays"] == 545
