"""AssumeRoleWithWebIdentity: the account's provider, its own signature, and what the role's trust says of the token."""

import base64
import json
import time

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.embedded import fresh

HOST = "tokens.example.com"
AUDIENCE, SUBJECT = "sts.amazonaws.com", "repo:owner/name:environment:prod"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(key=KEY, kid="one", algorithm="RS256", **claims):
    given = {"iss": f"https://{HOST}", "aud": AUDIENCE, "sub": SUBJECT, "exp": int(time.time()) + 300, **claims}
    signed = f"{encoded({'alg': algorithm, 'kid': kid})}.{encoded(given)}"
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.fixture(scope="module")
def role(embedded):
    """A provider from a template, its keys where the embedded AWS looks for them, and a role that trusts one subject."""
    resource = {
        "Type": "AWS::IAM::OIDCProvider",
        "Properties": {"Url": f"https://{HOST}", "ClientIdList": [AUDIENCE]},
    }
    cloudformation, name = embedded.client("cloudformation"), fresh("provider")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Provider": resource}}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    public = KEY.public_key().public_numbers()
    keys = {"keys": [{"kty": "RSA", "kid": "one", "n": number(public.n), "e": number(public.e)}]}
    embedded.running.home.identity_keys.mkdir(exist_ok=True)
    (embedded.running.home.identity_keys / f"{HOST}.json").write_text(json.dumps(keys))
    provider = f"arn:aws:iam::{embedded.running.facts.account}:oidc-provider/{HOST}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{HOST}:aud": AUDIENCE, f"{HOST}:sub": SUBJECT}},
    }
    made = embedded.client("iam").create_role(
        RoleName=fresh("role"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return made["Role"]["Arn"]


def assume(embedded, role, shown, **more):
    return embedded.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="test", WebIdentityToken=shown, **more
    )["Credentials"]


def test_a_token_of_the_providers_for_the_subject_gets_the_role(embedded, role):
    found = assume(embedded, role, token())
    keys = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    assert embedded.client("sts", keys).get_caller_identity()["Arn"].endswith("/test")


def test_a_token_gets_no_longer_session_than_the_role_allows(embedded, role):
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role"):
        assume(embedded, role, token(), DurationSeconds=3601)
    with pytest.raises(ClientError, match="Not authorized"):
        assume(embedded, role, token(sub="repo:stranger/name:pull_request"), DurationSeconds=3601)


REFUSED = {
    "forged": (lambda: token(OTHER_KEY), "signature is not its provider's"),
    "unsigned": (lambda: token(algorithm="none"), "verification key"),
    "unknown key": (lambda: token(kid="two"), "verification key"),
    "another audience": (lambda: token(aud="elsewhere"), "Incorrect token audience"),
    "expired": (lambda: token(exp=int(time.time()) - 600), "Token expired"),
    "another provider": (lambda: token(iss="https://elsewhere.example.com"), "No OpenIDConnect provider found"),
    "no token": (lambda: "hello", "not a valid JWT"),
    "a pull request": (lambda: token(sub="repo:owner/name:pull_request"), "Not authorized"),
    "a longer subject": (lambda: token(sub=f"{SUBJECT}uction"), "Not authorized"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_any_other_token_is_refused(embedded, role, what):
    shown, said = REFUSED[what]
    with pytest.raises(ClientError, match=said):
        assume(embedded, role, shown())
