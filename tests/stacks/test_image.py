"""Who builds the serving image, and by what it is pinned."""

import json

import pytest

from tests import synth
from tests.stacks import variants

pytestmark = pytest.mark.xdist_group("synth")
DIGEST = f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/serving@sha256:{'0' * 64}"


def container(template):
    return synth.only(template, "AWS::SageMaker::Model")["PrimaryContainer"]["Image"]


def test_codebuild_image_is_pinned_by_the_digest_it_was_built_to():
    assert container(synth.templates("dev")["serving"]) == {"Fn::GetAtt": ["Image", "ImageUri"]}


def test_request_for_an_image_names_its_sources_by_hash():
    request = synth.only(synth.templates("dev")["serving"], "Custom::ServingImage")
    (sources,) = [folder.name for folder in synth.assembly("dev").glob("asset.*") if (folder / "Dockerfile").exists()]
    assert request["Tag"] == sources.removeprefix("asset.")


def test_deploy_outwaits_the_build():
    minutes = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")["TimeoutInMinutes"]
    assert int(synth.only(synth.templates("dev")["serving"], "Custom::ServingImage")["ServiceTimeout"]) > minutes * 60


def test_image_has_docker_media_types_for_hosting():
    source = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")["Source"]
    build = json.loads(source["BuildSpec"])["phases"]["build"]["commands"][0]
    assert {"--provenance=false", "--sbom=false", "linux/amd64"} <= set(build.split())


def test_repository_tags_cannot_be_moved():
    repository = synth.only(synth.templates("dev")["image"], "AWS::ECR::Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_function_hears_of_every_way_a_build_can_end():
    pattern = synth.only(synth.templates("dev")["image"], "AWS::Events::Rule")["EventPattern"]
    assert set(pattern["detail"]["build-status"]) == {"SUCCEEDED", "FAILED", "STOPPED", "FAULT", "TIMED_OUT"}
    assert pattern["detail"]["project-name"] == [{"Ref": "BuilderProject4D9BB9CE"}]


def test_no_value_that_changes_crosses_stacks():
    """An export in use can never change; a digest or a tag that crossed stacks would block the next deploy."""
    for stage in synth.STAGES:
        for template in synth.templates(stage).values():
            for output in template.get("Outputs", {}).values():
                if "Export" in output:
                    assert not {"ImageUri", "Tag"} & set(map(str, output["Value"].get("Fn::GetAtt", [])))


def test_given_image_is_used_as_it_is_and_only_its_repository_may_be_pulled():
    template = variants.rooms(image__source="uri", image__uri=DIGEST)
    assert "image" not in template
    assert container(template["serving"]) == DIGEST
    (policy,) = synth.only(template["serving"], "AWS::IAM::Role")["Policies"]
    (pull,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == "PullImage"]
    assert pull["Resource"]["Fn::Join"][1][-1] == ":ecr:eu-west-1:111122223333:repository/serving"


def test_image_from_another_registry_needs_no_permission():
    template = variants.rooms(image__source="uri", image__uri="public.ecr.aws/acme/serving:1.2")["serving"]
    (policy,) = synth.only(template, "AWS::IAM::Role")["Policies"]
    assert not {"LogIn", "PullImage"} & {statement["Sid"] for statement in policy["PolicyDocument"]["Statement"]}


def test_docker_image_is_an_asset_tagged_by_its_content():
    template = variants.rooms(image__source="docker")
    assert "image" not in template
    assert "container-assets" in json.dumps(container(template["serving"]))
