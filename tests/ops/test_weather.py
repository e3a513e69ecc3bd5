"""What botocore raises, as sentences that say what to do."""

import pytest
from botocore import exceptions

from ops.errors import NotReached, OperatorError
from ops.weather import sentence_of


def answered(code, message="words"):
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.NoCredentialsError(), "There are no AWS credentials here: set AWS_PROFILE"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "There are no AWS credentials here"),
        (exceptions.UnauthorizedSSOTokenError(), "have expired: run `aws sso login`"),
        (exceptions.ProfileNotFound(profile="p"), "name one of `aws configure list-profiles`"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "AWS does not answer: .*https://x"),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), "AWS does not answer"),
        (answered("ExpiredTokenException"), "have expired"),
        (answered("UnrecognizedClientException"), "does not know these credentials"),
        (answered("AccessDeniedException", "no: sagemaker:X"), "may not call CreateTrainingJob: no: sagemaker:X"),
        (answered("AuthFailure"), "does not know these credentials"),
        (answered("ThrottledException"), "slows us down"),
        (answered("ThrottlingException"), "slows us down .*wait, then repeat"),
    ],
)
def test_bad_weather_is_a_sentence_with_status_3(error, said):
    found = sentence_of(error)
    assert isinstance(found, NotReached)
    with pytest.raises(NotReached, match=said):
        raise found


def test_a_refusal_of_the_request_itself_is_the_operators():
    found = sentence_of(answered("ValidationException", "no such type"))
    assert type(found) is OperatorError
    assert str(found) == "AWS answered CreateTrainingJob with ValidationException: no such type"


def test_words_that_no_call_takes_are_the_operators_to_put_right():
    found = sentence_of(exceptions.ParamValidationError(report="Invalid range for parameter X,\n value: 0"))
    assert type(found) is OperatorError
    assert str(found) == "Parameter validation failed: Invalid range for parameter X, value: 0"


def test_what_aws_says_at_length_is_cut():
    said = str(sentence_of(answered("ValidationException", "no such type, but ml.m5.large, " * 100)))
    assert len(said) < 600
    assert said.endswith(" ...")
