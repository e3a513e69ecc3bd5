"""`aws` on an instance: what is typed, as the API's own parameters, and answers as lines of text."""

import pytest

from local.sandbox.guest import aws_cli
from local.shapes import operation_model


def params(service, operation, *words):
    return aws_cli._params(operation_model(service, operation).input_shape, list(words))


@pytest.mark.parametrize(
    ("service", "operation", "words", "meant"),
    [
        ("lambda", "Invoke", ["--payload", "aGk="], {"Payload": b"hi"}),
        ("ec2", "StopInstances", ["--instance-ids", "i-1", "i-2"], {"InstanceIds": ["i-1", "i-2"]}),
        ("ec2", "StopInstances", ["--force", "--no-dry-run"], {"Force": True, "DryRun": False}),
        ("ec2", "CreateTags", ["--tags", "Key=a,Value=b"], {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("ec2", "CreateTags", ["--tags", '[{"Key": "a"}]'], {"Tags": [{"Key": "a"}]}),
        ("ssm", "SendCommand", ["--parameters", "commands=a,b"], {"Parameters": {"commands": ["a", "b"]}}),
        ("ssm", "SendCommand", ["--timeout-seconds", "60"], {"TimeoutSeconds": 60}),
    ],
)
def test_words_are_the_apis_parameters(service, operation, words, meant):
    assert params(service, operation, *words) == meant


def test_a_files_bytes_are_sent_as_they_are(tmp_path):
    picture = tmp_path / "picture"
    picture.write_bytes(b"\xff\xd8\x00")
    assert params("lambda", "Invoke", "--payload", f"fileb://{picture}") == {"Payload": b"\xff\xd8\x00"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nothing", "x"], "unknown option: --nothing"),
        (["stray"], "unknown option: stray"),
        (["--timeout-seconds"], "--timeout-seconds needs a value"),
        (["--timeout-seconds", "soon"], "--timeout-seconds soon: invalid literal"),
        (["--targets", "Name=a"], "Target has no member Name"),
        (["--comment", "file://PICTURE"], "--comment file://PICTURE: 'utf-8' codec"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(tmp_path, words, said):
    picture = tmp_path / "picture"
    picture.write_bytes(b"\xff\xd8\x00")
    words = [word.replace("PICTURE", str(picture)) for word in words]
    with pytest.raises(aws_cli.UsageError, match=said.replace("PICTURE", str(picture))):
        params("ssm", "SendCommand", *words)


def test_text_is_tab_separated_and_without_names():
    answer = {"Name": "a", "Size": 1, "Tags": [{"Key": "k", "Value": "v"}], "Ids": ["x", "y"]}
    assert list(aws_cli._text(answer)) == ["a\t1", "k\tv", "x\ty"]
