"""Every command in every weather: one sentence on standard error, the status that docs/operator.md promises, no traceback."""

import json
from datetime import UTC, datetime

import pytest
from botocore import exceptions
from PIL import Image

from ops.__main__ import COMMANDS
from ops.watch.doctor import examination
from tests.operating import operate
from tests.ops.bad_weather import CALLER, ENVIRONMENT, Refusal, in_weather

# Said with --stage dev; PICTURES is a folder of two classes. The demo has an AWS of its own.
WORDS = {
    "data push": "data push PICTURES",
    "data status": "data status",
    "destroy": "destroy --yes",
    "train": "train",
    "train on the box": "train --ec2",
    "tune": "tune",
    "compare": "compare",
    "pipeline run": "pipeline run",
    "pipeline status": "pipeline status",
    "pipeline graph": "pipeline graph",
    "jobs": "jobs",
    "attach": "attach some-job",
    "stop": "stop some-job",
    "models": "models",
    "show": "show 1",
    "promote": "promote",
    "rollback": "rollback",
    "resize": "resize --instance-type ml.c5.xlarge --yes",
    "predict": "predict PICTURES",
    "predict by the function": "predict PICTURES --via lambda",
    "predict by the endpoint": "predict PICTURES --via endpoint",
    "batch": "batch PICTURES",
    "status": "status",
    "logs": "logs predict",
    "doctor": "doctor",
    "idle": "idle",
    "page": "page --port 0",
}


def test_every_command_is_out_in_the_weather():
    assert {words.split()[0] for words in WORDS.values()} == COMMANDS.keys() - {"demo"}


def after_hello(weather):
    """The credentials work, and nothing after that does."""
    return lambda operation, asked: CALLER if operation == "GetCallerIdentity" else weather(operation, asked)


def nothing_deployed(operation, asked):
    if operation == "DescribeStacks":
        name = asked.get("StackName")
        return Refusal("ValidationError", f"Stack with id {name} does not exist") if name else {"Stacks": []}
    return {"ListExports": {"Exports": []}}.get(operation, {})


def stacks(status):
    def weather(operation, asked):
        if operation != "DescribeStacks":
            return {}
        name = asked.get("StackName", "whippet-dev-data")
        made = datetime.now(UTC)
        return {"Stacks": [{"StackName": name, "StackId": name, "CreationTime": made, "StackStatus": status}]}

    return weather


def refused(code, message="no"):
    return lambda _operation, _asked: Refusal(code, message)


def raised(error):
    def weather(_operation, _asked):
        return error

    return weather


NOT_REACHED = {
    "expired": (refused("ExpiredToken"), "These AWS credentials have expired"),
    "expired meanwhile": (after_hello(refused("ExpiredTokenException")), "These AWS credentials have expired"),
    "unknown keys": (refused("InvalidClientTokenId"), "AWS does not know these credentials (InvalidClientTokenId)"),
    "no permission": (after_hello(refused("AccessDeniedException")), "These credentials may not call "),
    "throttled": (after_hello(refused("ThrottlingException")), "AWS slows us down (ThrottlingException at "),
    "no network": (raised(exceptions.EndpointConnectionError(endpoint_url="https://x")), "AWS does not answer: "),
    "cut": (after_hello(raised(exceptions.ReadTimeoutError(endpoint_url="https://x"))), "AWS does not answer: "),
}
TO_PUT_RIGHT = {
    "nothing deployed": (
        after_hello(nothing_deployed),
        "region us-east-1: deploy it first, `cdk deploy --all -c stage=dev`",
    ),
    "rolled back": (after_hello(stacks("ROLLBACK_COMPLETE")), "is half deployed (ROLLBACK_COMPLETE): see its events"),
    "deploying": (after_hello(stacks("CREATE_IN_PROGRESS")), "half deployed (CREATE_IN_PROGRESS): wait until that has"),
    "another checkout": (after_hello(stacks("CREATE_COMPLETE")), "has no output "),
}
# These look at the account, whatever is deployed in it, or have nothing to do there.
LOOK_ANYWAY = {"doctor", "idle", "status", "jobs", "compare", "attach", "stop", "destroy", "train on the box"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for label in ("cat", "dog"):
        (folder / label).mkdir()
        for number in range(10):
            colour = (number * 20, 200 if label == "cat" else 10, number)
            Image.new("RGB", (40, 40), colour).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def _tools_are_another_matter(monkeypatch):
    """The doctor asks programs of this machine too, which takes a second."""
    monkeypatch.delitem(examination.LOOKS, "tools")


def said_in(weather, command, pictures):
    words = [str(pictures) if word == "PICTURES" else word for word in WORDS[command].split()]
    with in_weather(weather):
        return operate(ENVIRONMENT, *words, "--stage", "dev", "--json")


@pytest.mark.parametrize("weather", NOT_REACHED)
def test_what_does_not_reach_aws_ends_in_status_3(weather, pictures):
    for command in WORDS:
        said = said_in(NOT_REACHED[weather][0], command, pictures)
        assert said.status == 3, f"{command}: {said}"
        if command == "doctor" and said.json().get("findings"):
            # It says of each look that it was withheld.
            assert NOT_REACHED[weather][1] in said.out
        else:
            assert NOT_REACHED[weather][1] in said.err, command
            assert said.err.count("\n") == 1, f"{command}: {said.err}"
            assert json.loads(said.out) == {"error": said.err.rstrip("\n"), "status": 3}, command


@pytest.mark.parametrize("weather", TO_PUT_RIGHT)
def test_what_is_not_or_half_deployed_ends_in_status_1_with_what_to_do(weather, pictures):
    for command in WORDS.keys() - LOOK_ANYWAY:
        said = said_in(TO_PUT_RIGHT[weather][0], command, pictures)
        assert said.status == 1, f"{command}: {said}"
        assert TO_PUT_RIGHT[weather][1] in said.err, command
        assert said.err.count("\n") == 1, f"{command}: {said.err}"
        assert json.loads(said.out) == {"error": said.err.rstrip("\n"), "status": 1}, command


def test_an_upload_alone_that_is_refused_is_a_sentence(pictures):
    """As a role may that reads the bucket and writes nothing there."""

    def weather(operation, asked):
        if operation == "PutObject":
            return Refusal("AccessDenied", "no: s3:PutObject")
        answer = stacks("CREATE_COMPLETE")(operation, asked)
        for stack in answer.get("Stacks", []):
            stack["Outputs"] = [{"OutputKey": "BucketName", "OutputValue": "bucket"}]
            stack["Outputs"] += [{"OutputKey": "BatchModelName", "OutputValue": "model"}]
        return answer

    said = said_in(after_hello(weather), "batch", pictures)
    assert (said.status, said.err.count("\n")) == (3, 1), said
    assert "These credentials may not call PutObject: no: s3:PutObject" in said.err


def test_no_weather_is_written_to_the_stage_file(pictures):
    from config.load import FOLDER  # noqa: PLC0415

    before = (FOLDER / "dev.toml").read_bytes()
    for weather, _ in TO_PUT_RIGHT.values():
        for command in ("promote", "rollback", "resize"):
            said_in(weather, command, pictures)
    assert (FOLDER / "dev.toml").read_bytes() == before


ELSEWHERE = (
    "The AWS environment says region eu-west-1; this works in us-east-1, where the stage file's stage.region puts the "
    "stage.\n"
)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_REGION": "eu-west-1"}, ELSEWHERE),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, ELSEWHERE),
        ({"AWS_PROFILE": "abroad"}, ELSEWHERE),
        ({"AWS_PROFILE": "abroad", "AWS_REGION": "us-east-1"}, ""),
        ({}, ""),
    ],
    ids=["AWS_REGION", "AWS_DEFAULT_REGION", "the profile", "AWS_REGION over the profile", "none"],
)
def test_another_region_in_the_environment_is_told_and_the_stages_is_looked_in(variables, told, tmp_path):
    (tmp_path / "config").write_text("[profile abroad]\nregion = eu-west-1\n")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "AWS_REGION"} | variables
    environment["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    with in_weather(after_hello(nothing_deployed)):
        said = operate(environment, "models", "--stage", "dev")
    assert said.status == 1
    assert said.err.startswith(f"{told}Stack whippet-dev-")
    assert "is not in account 111122223333, region us-east-1: deploy it first" in said.err


def test_a_profile_that_is_not_there_is_a_sentence_where_it_would_say_the_region():
    with in_weather(after_hello(nothing_deployed)):
        said = operate({**ENVIRONMENT, "AWS_REGION": "", "AWS_PROFILE": "nobody"}, "models", "--stage", "dev")
    assert (said.status, said.err.count("\n")) == (3, 1)
    assert "name one of `aws configure list-profiles`" in said.err
