import copy
import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from lambda_src.build_image.resource import ImageResource

DIGEST = "sha256:" + "ab" * 32
REPOSITORY_URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/whippet-serving"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
BUILD_ID = "whippet-image:0c4c1f0e-5d6b-4b0e-9d0c-2f4d3c9a1b11"
LOG_LINK = "https://console.aws.amazon.com/cloudwatch/home#logsV2:log-groups/log-group/x"
REQUEST: dict[str, Any] = {
    "RequestType": "Create",
    "ResponseURL": "https://cloudformation-custom-resource-response.s3.amazonaws.com/x?signature=1",
    "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/whippet-dev-image/guid",
    "RequestId": "11111111-2222-3333-4444-555555555555",
    "LogicalResourceId": "ServingImage",
    "ResourceType": "Custom::ServingImage",
    "ResourceProperties": {
        "ServiceToken": "arn:aws:lambda:eu-west-1:123456789012:function:x",
        "Project": "whippet-image",
        "Repository": "whippet-serving",
        "Tag": "c0ffee",
    },
}
DESCRIBE = {"repositoryName": "whippet-serving", "imageIds": [{"imageTag": "c0ffee"}]}


def build_event(status: str) -> dict[str, Any]:
    return {
        "source": "aws.codebuild",
        "detail-type": "CodeBuild Build State Change",
        "detail": {
            "build-status": status,
            "project-name": "whippet-image",
            "build-id": f"arn:aws:codebuild:eu-west-1:123456789012:build/{BUILD_ID}",
        },
    }


class Harness:
    """The resource over stubbed clients, and the answers which it would have put."""

    def __init__(self, ecr: Stubber, codebuild: Stubber) -> None:
        self.ecr = ecr
        self.codebuild = codebuild
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.resource = ImageResource(ecr=ecr.client, codebuild=codebuild.client, put=self.put)

    def put(self, url: str, body: bytes) -> None:
        assert len(body) <= 4096
        self.answers.append((url, json.loads(body)))

    def handle(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        self.resource.handle(event)
        self.ecr.assert_no_pending_responses()
        self.codebuild.assert_no_pending_responses()
        return [answer for _, answer in self.answers]

    def image_exists(self, media_type: str = DOCKER_MANIFEST) -> None:
        detail = {"registryId": "123456789012", "imageDigest": DIGEST, "imageManifestMediaType": media_type}
        self.ecr.add_response("describe_images", {"imageDetails": [detail]}, DESCRIBE)

    def image_is_missing(self) -> None:
        self.ecr.add_client_error("describe_images", "ImageNotFoundException", expected_params=DESCRIBE)

    def build_was(self, status: str, phases: list[dict[str, Any]], variables: list[dict[str, str]]) -> None:
        build = {
            "id": BUILD_ID,
            "buildStatus": status,
            "phases": phases,
            "logs": {"deepLink": LOG_LINK},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "x",
                "computeType": "x",
                "environmentVariables": variables,
            },
        }
        self.codebuild.add_response("batch_get_builds", {"builds": [build]}, {"ids": [BUILD_ID]})


def variables_of_a_started_build() -> list[dict[str, str]]:
    """What the function itself hands to StartBuild, so that both of its ends are held to each other."""
    handed: dict[str, Any] = {}

    class Recorder:
        def start_build(self, **arguments: object) -> dict[str, Any]:
            handed.update(arguments)
            return {}

        def batch_get_builds(self, **_: object) -> dict[str, Any]:
            raise NotImplementedError

    ecr = botocore.session.get_session().create_client("ecr", region_name="eu-west-1")
    with Stubber(ecr) as stub:
        stub.add_client_error("describe_images", "ImageNotFoundException")
        ImageResource(ecr=ecr, codebuild=Recorder(), put=lambda *_: None).handle(copy.deepcopy(REQUEST))
    variables: list[dict[str, str]] = handed["environmentVariablesOverride"]
    return variables


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "eu-west-1")):
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture(scope="module")
def session() -> botocore.session.Session:
    """Reads each API model once."""
    return botocore.session.get_session()


@pytest.fixture
def harness(session: botocore.session.Session) -> Iterator[Harness]:
    clients = [session.create_client(name, region_name="eu-west-1") for name in ("ecr", "codebuild")]
    with Stubber(clients[0]) as ecr, Stubber(clients[1]) as codebuild:
        yield Harness(ecr, codebuild)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_an_image_that_is_there_is_answered_at_once_by_its_digest(harness: Harness, request_type: str) -> None:
    harness.image_exists()
    (answer,) = harness.handle({**REQUEST, "RequestType": request_type})
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {"ImageUri": f"{REPOSITORY_URI}@{DIGEST}"}


def test_an_image_in_china_has_the_domain_of_its_partition(harness: Harness) -> None:
    harness.image_exists()
    stack_id = REQUEST["StackId"].replace("aws:", "aws-cn:").replace("eu-west-1", "cn-north-1")
    (answer,) = harness.handle({**REQUEST, "StackId": stack_id})
    registry = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
    assert answer["Data"] == {"ImageUri": f"{registry}/whippet-serving@{DIGEST}"}


def test_the_answer_repeats_the_request_and_goes_to_its_url(harness: Harness) -> None:
    harness.image_exists()
    (answer,) = harness.handle(REQUEST)
    assert harness.answers[0][0] == REQUEST["ResponseURL"]
    assert {key: answer[key] for key in ("StackId", "RequestId", "LogicalResourceId")} == {
        key: REQUEST[key] for key in ("StackId", "RequestId", "LogicalResourceId")
    }
    assert answer["PhysicalResourceId"] == "whippet-serving:c0ffee"


def test_a_missing_image_starts_one_build_and_answers_nothing_yet(harness: Harness) -> None:
    harness.image_is_missing()
    expected = {
        "projectName": "whippet-image",
        "idempotencyToken": REQUEST["RequestId"],
        "environmentVariablesOverride": ANY,
    }
    harness.codebuild.add_response("start_build", {"build": {"id": BUILD_ID}}, expected)
    assert harness.handle(REQUEST) == []


def test_the_build_is_told_the_tag_and_whom_to_answer() -> None:
    variables = {entry["name"]: entry["value"] for entry in variables_of_a_started_build()}
    assert variables["IMAGE_TAG"] == "c0ffee"
    assert variables["CFN_RESPONSE_URL"] == REQUEST["ResponseURL"]
    assert variables["CFN_REQUEST_ID"] == REQUEST["RequestId"]


def test_deleting_removes_nothing_and_succeeds(harness: Harness) -> None:
    (answer,) = harness.handle({**REQUEST, "RequestType": "Delete", "PhysicalResourceId": "whippet-serving:0ld"})
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "whippet-serving:0ld")


@pytest.mark.parametrize("missing", ["Project", "Repository", "Tag"])
def test_a_missing_property_is_answered_by_name(harness: Harness, missing: str) -> None:
    request = copy.deepcopy(REQUEST)
    del request["ResourceProperties"][missing]
    (answer,) = harness.handle(request)
    assert answer["Status"] == "FAILED"
    assert f"lacks {missing};" in answer["Reason"]


def test_a_repository_that_is_not_there_is_answered_as_a_failure(harness: Harness) -> None:
    harness.ecr.add_client_error("describe_images", "RepositoryNotFoundException", "The repository does not exist.")
    (answer,) = harness.handle(REQUEST)
    assert answer["Status"] == "FAILED"
    assert "The repository does not exist." in answer["Reason"]


def test_a_build_that_cannot_start_is_answered_as_a_failure(harness: Harness) -> None:
    harness.image_is_missing()
    harness.codebuild.add_client_error("start_build", "AccessDeniedException", "no permission " * 500)
    (answer,) = harness.handle(REQUEST)
    assert answer["Status"] == "FAILED"
    assert "no permission" in answer["Reason"]


def test_an_oci_image_is_refused_with_the_remedy(harness: Harness) -> None:
    harness.image_exists("application/vnd.oci.image.index.v1+json")
    (answer,) = harness.handle(REQUEST)
    assert answer["Status"] == "FAILED"
    assert "--provenance=false" in answer["Reason"]


def test_a_build_that_succeeded_is_answered_with_the_digest(harness: Harness) -> None:
    harness.build_was("SUCCEEDED", [], variables_of_a_started_build())
    harness.image_exists()
    (answer,) = harness.handle(build_event("SUCCEEDED"))
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"ImageUri": f"{REPOSITORY_URI}@{DIGEST}"})
    assert answer["PhysicalResourceId"] == "whippet-serving:c0ffee"
    assert harness.answers[0][0] == REQUEST["ResponseURL"]


def test_a_build_that_failed_is_answered_with_its_phase_and_log(harness: Harness) -> None:
    phases = [
        {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED"},
        {
            "phaseType": "BUILD",
            "phaseStatus": "FAILED",
            "contexts": [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "docker build: exit status 1"}],
        },
    ]
    harness.build_was("FAILED", phases, variables_of_a_started_build())
    harness.image_is_missing()
    (answer,) = harness.handle(build_event("FAILED"))
    assert answer["Status"] == "FAILED"
    assert "in phase BUILD; read its log, " + LOG_LINK in answer["Reason"]
    assert "COMMAND_EXECUTION_ERROR: docker build: exit status 1" in answer["Reason"]


def test_a_build_that_was_stopped_is_answered_as_a_failure(harness: Harness) -> None:
    harness.build_was("STOPPED", [], variables_of_a_started_build())
    harness.image_is_missing()
    (answer,) = harness.handle(build_event("STOPPED"))
    assert "ended as STOPPED" in answer["Reason"]


def test_a_failed_build_of_an_image_that_another_build_pushed_is_answered_with_it(harness: Harness) -> None:
    harness.build_was("FAILED", [], variables_of_a_started_build())
    harness.image_exists()
    (answer,) = harness.handle(build_event("FAILED"))
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"ImageUri": f"{REPOSITORY_URI}@{DIGEST}"})


def test_a_build_that_pushed_nothing_is_answered_as_a_failure(harness: Harness) -> None:
    harness.build_was("SUCCEEDED", [], variables_of_a_started_build())
    harness.image_is_missing()
    (answer,) = harness.handle(build_event("SUCCEEDED"))
    assert answer["Status"] == "FAILED"
    assert "has no image c0ffee" in answer["Reason"]


def test_a_build_started_by_hand_is_left_alone(harness: Harness) -> None:
    harness.build_was("SUCCEEDED", [], [{"name": "IMAGE_TAG", "value": "c0ffee"}])
    assert harness.handle(build_event("SUCCEEDED")) == []


def test_a_build_under_way_is_not_looked_at(harness: Harness) -> None:
    assert harness.handle(build_event("IN_PROGRESS")) == []


def test_an_answer_that_cannot_be_sent_is_raised_so_that_lambda_tries_again(harness: Harness) -> None:
    def unreachable(_url: str, _body: bytes) -> None:
        raise OSError("unreachable")

    harness.image_exists()
    resource = ImageResource(ecr=harness.ecr.client, codebuild=harness.codebuild.client, put=unreachable)
    with pytest.raises(OSError, match="unreachable"):
        resource.handle(REQUEST)
