"""What botocore says when the weather is bad, as a sentence with the remedy."""

import textwrap

from botocore import exceptions

from ops.errors import NotReached, OperatorError

MOST_SAID = 500
NO_CREDENTIALS = "There are no AWS credentials here: set AWS_PROFILE, or run `aws sso login`."
EXPIRED = "These AWS credentials have expired: run `aws sso login`, or renew them as you got them."
# Codes as the services send them; the same trouble has several names.
EXPIRED_CODES = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
UNKNOWN_CODES = {
    *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure"),
    *("SignatureDoesNotMatch", "InvalidSignatureException"),
}
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
THROTTLED_CODES = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
    *("TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
}


def sentence_of(error: Exception) -> OperatorError:
    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return NotReached(NO_CREDENTIALS)
        case exceptions.SSOTokenLoadError() | exceptions.UnauthorizedSSOTokenError() | exceptions.TokenRetrievalError():
            return NotReached(EXPIRED)
        case exceptions.ProfileNotFound():
            return NotReached(f"{error}: name one of `aws configure list-profiles`.")
        case exceptions.HTTPClientError() | exceptions.EndpointConnectionError():
            return NotReached(f"AWS does not answer: {error} Check the network and the region.")
        case exceptions.ClientError():
            return _of_answer(error)
        case _:
            return _given_up(error)


def _given_up(error: Exception) -> OperatorError:
    if isinstance(error, exceptions.ParamValidationError):
        return OperatorError(" ".join(str(error).split()))
    return NotReached(f"The AWS client gave up: {error}")


def _of_answer(error: exceptions.ClientError) -> OperatorError:
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    # A type that AWS does not know is answered with all that it does.
    said = textwrap.shorten(said, MOST_SAID, placeholder=" ...")
    if code in EXPIRED_CODES:
        return NotReached(EXPIRED)
    if code in UNKNOWN_CODES:
        return NotReached(f"AWS does not know these credentials ({code}): check AWS_PROFILE and the access key.")
    if code in DENIED_CODES:
        return NotReached(f"These credentials may not call {error.operation_name}: {said}")
    if code in THROTTLED_CODES:
        return NotReached(f"AWS slows us down ({code} at {error.operation_name}), tries included: wait, then repeat.")
    return OperatorError(f"AWS answered {error.operation_name} with {code}: {said}".rstrip(": "))
