"""Who builds the serving image, and by what it is pinned."""

import json
import shutil
import subprocess

import pytest

from stacks.constructs import source_folders
from tests import synth
from tests.stacks import variants

pytestmark = pytest.mark.xdist_group("synth")
DIGEST = f"111122223333.dkr.ecr.us-east-1.amazonaws.com/serving@sha256:{'0' * 64}"


def container(template):
    """Of the endpoint and of batches alike."""
    served, batch = (body["Properties"] for body in synth.resources(template, "AWS::SageMaker::Model").values())
    assert served["PrimaryContainer"] == batch["PrimaryContainer"]
    return served["PrimaryContainer"]["Image"]


def test_codebuild_image_is_pinned_by_the_digest_it_was_built_to():
    assert container(synth.templates("dev")["serving"]) == {"Fn::GetAtt": ["Image", "ImageUri"]}


def test_request_for_an_image_names_its_sources_by_hash():
    request = synth.only(synth.templates("dev")["serving"], "Custom::ServingImage")
    (sources,) = [folder.name for folder in synth.assembly("dev").glob("asset.*") if (folder / "Dockerfile").exists()]
    assert request["Tag"] == sources.removeprefix("asset.")


def test_deploy_outwaits_the_build():
    project = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")
    minutes = project["TimeoutInMinutes"] + project["QueuedTimeoutInMinutes"]
    assert int(synth.only(synth.templates("dev")["serving"], "Custom::ServingImage")["ServiceTimeout"]) > minutes * 60


def build_commands():
    source = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")["Source"]
    phases = json.loads(source["BuildSpec"])["phases"]
    return phases["pre_build"]["commands"], phases["build"]["commands"]


def test_build_specification_is_one_that_codebuild_knows():
    source = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")["Source"]
    specification = json.loads(source["BuildSpec"])
    assert (specification.keys(), specification["version"]) == ({"version", "phases"}, "0.2")
    assert specification["phases"].keys() <= {"install", "pre_build", "build", "post_build"}
    for phase in specification["phases"].values():
        assert phase.keys() == {"commands"}
        for command in phase["commands"]:
            checked = subprocess.run(["sh", "-n", "-c", command], capture_output=True, text=True, check=False)
            assert (checked.returncode, checked.stderr) == (0, ""), command


def test_build_logs_in_builds_the_serving_stage_for_hosting_and_pushes():
    (_, login), (build, push) = build_commands()
    assert login.startswith("aws ecr get-login-password | docker login")
    # Provenance or an attached SBOM would make an OCI manifest, which hosting refuses.
    assert {"--provenance=false", "--sbom=false", "linux/amd64", "serve", "$REPOSITORY_URI:$IMAGE_TAG"} <= set(
        build.split()
    )
    assert push == "docker push $REPOSITORY_URI:$IMAGE_TAG"


@pytest.mark.parametrize(("tag", "status"), [("same", 0), ("other", 1)])
def test_build_refuses_to_push_its_sources_under_anothers_hash(tag, status):
    check = build_commands()[0][0]
    environment = {"IMAGE_TAG": "same", "SOURCES_TAG": tag}
    assert subprocess.run(["sh", "-c", check], env=environment, check=False, capture_output=True).returncode == status


def test_build_gets_what_its_commands_name():
    project = synth.only(synth.templates("dev")["image"], "AWS::CodeBuild::Project")
    given = {variable["Name"]: variable["Value"] for variable in project["Environment"]["EnvironmentVariables"]}
    request = synth.only(synth.templates("dev")["serving"], "Custom::ServingImage")
    assert given.keys() == {"REPOSITORY_URI", "SOURCES_TAG"}
    assert given["SOURCES_TAG"] == request["Tag"]
    assert project["Environment"]["PrivilegedMode"] is True
    assert project["Source"]["Type"] == "S3"


def test_repository_tags_cannot_be_moved():
    repository = synth.only(synth.templates("dev")["image"], "AWS::ECR::Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_images_that_a_rollback_may_need_are_kept():
    repository = synth.only(synth.templates("dev")["image"], "AWS::ECR::Repository")
    (rule,) = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 20}


def test_function_hears_of_every_way_a_build_can_end():
    template = synth.templates("dev")["image"]
    rule = synth.only(template, "AWS::Events::Rule")
    pattern = rule["EventPattern"]
    (function,) = synth.resources(template, "AWS::Lambda::Function")
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": [function, "Arn"]}]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.codebuild"], ["CodeBuild Build State Change"])
    assert set(pattern["detail"]["build-status"]) == {"SUCCEEDED", "FAILED", "STOPPED", "FAULT", "TIMED_OUT"}
    assert pattern["detail"]["project-name"] == [{"Ref": "BuilderProject4D9BB9CE"}]


def test_changed_sources_change_no_export(tmp_path, monkeypatch):
    """An export in use can never change; a digest or a tag that crossed stacks would block the next deploy."""
    sources = shutil.copytree(synth.ROOT / "serving", tmp_path / "serving")
    (sources / "app.py").write_text("# other sources\n")
    monkeypatch.setattr(source_folders, "SERVING", sources)
    after = variants.rooms_of(variants.build({}))
    before = synth.templates("dev")
    request = "Custom::ServingImage"
    assert synth.only(after["serving"], request)["Tag"] != synth.only(before["serving"], request)["Tag"]
    for room, template in before.items():
        assert after[room].get("Outputs") == template.get("Outputs"), room


def test_given_image_is_used_as_it_is_and_only_its_repository_may_be_pulled():
    template = variants.rooms(image__source="uri", image__uri=DIGEST)
    assert "image" not in template
    assert container(template["serving"]) == DIGEST
    policy, *_ = next(iter(synth.resources(template["serving"], "AWS::IAM::Role").values()))["Properties"]["Policies"]
    (pull,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == "PullImage"]
    assert pull["Resource"]["Fn::Join"][1][-1] == ":ecr:us-east-1:111122223333:repository/serving"


def test_docker_image_is_an_asset_tagged_by_its_content():
    template = variants.rooms(image__source="docker")
    assert "image" not in template
    assert "container-assets" in json.dumps(container(template["serving"]))
