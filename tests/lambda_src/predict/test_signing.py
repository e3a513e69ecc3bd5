"""Signatures are those that botocore's signers make when nothing is overridden."""

import datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.predict.aws import Credentials
from lambda_src.predict.signing import BucketSigner, Signer

NOW = datetime.datetime(2026, 11, 21, 12, 30)
visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
values = st.lists(visible, min_size=1, max_size=3).map(" ".join)
names = st.sampled_from(["Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amz-Meta-a", "User-Agent"])


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)


@pytest.mark.parametrize(
    ("ours", "theirs", "service"),
    [(Signer, botocore.auth.SigV4Auth, "sagemaker"), (BucketSigner, botocore.auth.S3SigV4Auth, "s3")],
)
def test_a_signature_is_the_one_of_botocores_own_signer(
    ours: type[botocore.auth.SigV4Auth], theirs: type[botocore.auth.SigV4Auth], service: str
) -> None:
    @settings(max_examples=100, deadline=None)
    @given(
        headers=st.dictionaries(names, values, max_size=4),
        body=st.binary(max_size=50),
        token=st.none() | visible,
        method=st.sampled_from(["GET", "POST", "PUT"]),
    )
    def check(headers: dict[str, str], body: bytes, token: str | None, method: str) -> None:
        url = "https://place.example.com/endpoints/e~1/invocations"
        credentials = Credentials("AKIAFIRST", "secret", token)
        asked = [AWSRequest(method=method, url=url, data=body) for _ in range(2)]
        for request, signer in zip(asked, (ours, theirs), strict=True):
            request.headers = {"Host": "place.example.com", **headers}
            signer(credentials, service, "eu-west-1").add_auth(request)
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        theirs(credentials, service, "eu-west-1").add_auth(request)
        assert asked[0].headers == asked[1].headers == {"Host": "place.example.com", **dict(request.headers.items())}

    check()
