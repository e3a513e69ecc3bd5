"""IAM decides: each refusal here turns into success when exactly the missing statement is added."""

import io
import json
import ssl
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, OWN_IMAGE, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)


@pytest.fixture(scope="module")
def endpoint(embedded):
    return embedded.serving()


def endpoint_arn(name):
    return f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{name}"


def test_invoking_needs_the_endpoints_own_arn(embedded, endpoint):
    keys = embedded.acting(statement("sagemaker:InvokeEndpoint", endpoint_arn("another")))
    with pytest.raises(ClientError) as caught:
        embedded.client("sagemaker-runtime", keys).invoke_endpoint(EndpointName=endpoint, Body=b"{}")
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    expected = f"is not authorized to perform: sagemaker:InvokeEndpoint on resource: {endpoint_arn(endpoint)}"
    assert expected in error["Message"]


def test_invoking_with_the_endpoints_arn_succeeds(embedded, endpoint):
    keys = embedded.acting(statement("sagemaker:InvokeEndpoint", endpoint_arn(endpoint)))
    answer = embedded.client("sagemaker-runtime", keys).invoke_endpoint(EndpointName=endpoint, Body=b"{}")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_explicit_deny_wins(embedded, endpoint):
    keys = embedded.acting(ALLOW_ALL, statement("sagemaker:InvokeEndpoint", "*", effect="Deny"))
    with pytest.raises(ClientError, match="explicit deny"):
        embedded.client("sagemaker-runtime", keys).invoke_endpoint(EndpointName=endpoint, Body=b"{}")


@pytest.mark.parametrize(
    ("service", "operation", "params", "action"),
    [
        ("sagemaker", "list_models", {}, "sagemaker:ListModels"),
        ("sagemaker", "describe_endpoint", {"EndpointName": "x"}, "sagemaker:DescribeEndpoint"),
        (
            "application-autoscaling",
            "describe_scalable_targets",
            {"ServiceNamespace": "sagemaker"},
            "application-autoscaling:DescribeScalableTargets",
        ),
    ],
)
def test_every_action_is_asked_for_by_name(embedded, service, operation, params, action):
    keys = embedded.acting(statement("s3:*", "*"))
    with pytest.raises(ClientError, match=f"not authorized to perform: {action}"):
        getattr(embedded.client(service, keys), operation)(**params)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_request_without_a_signature_is_refused(embedded, endpoint, headers):
    url = f"{embedded.running.url}/endpoints/{endpoint}/invocations"
    signed_for = {**headers, "X-Amz-Target": "SageMaker.ListModels"}
    private = embedded.put(embedded.bucket(), "private", b"").replace("s3:/", embedded.running.url)
    for address, sent in ((url, headers), (embedded.running.url, signed_for), (private, headers)):
        # Unsigned, the path alone reads as an S3 object, which takes no POST.
        assert refused(embedded, address, sent) in (400, 403, 405)


def refused(embedded, url, headers):
    context = ssl.create_default_context(cafile=embedded.environment["AWS_CA_BUNDLE"])
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers), context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_account_key_without_its_secret_is_refused(embedded):
    keys = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "guessed"}
    for service, operation in (("sagemaker", "list_models"), ("s3", "list_buckets"), ("iam", "list_roles")):
        with pytest.raises(ClientError, match="signature"):
            getattr(embedded.client(service, keys), operation)()


def test_role_without_the_object_fails_its_endpoint(embedded):
    role = embedded.role(statement("ecr:*", "*"))
    config = embedded.config(embedded.model(role=role))
    found = embedded.settled(embedded.endpoint(config))
    assert found["EndpointStatus"] == "Failed"
    assert "s3:GetObject" in found["FailureReason"]
    embedded.allow(role, statement("s3:GetObject", "*"))
    assert embedded.settled(embedded.endpoint(config))["EndpointStatus"] == "InService"


def test_role_without_the_key_cannot_read_an_encrypted_object(embedded):
    key = embedded.client("kms").create_key()["KeyMetadata"]["Arn"]
    bucket = embedded.bucket()
    embedded.put(bucket, "secret", b"text", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    reads = statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    with pytest.raises(ClientError, match=f"AccessDenied.*kms:Decrypt on resource: {key}"):
        embedded.client("s3", embedded.acting(reads)).get_object(Bucket=bucket, Key="secret")
    keys = embedded.acting(reads, statement("kms:Decrypt", key))
    assert embedded.client("s3", keys).get_object(Bucket=bucket, Key="secret")["Body"].read() == b"text"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (lambda kms, key: kms.disable_key(KeyId=key), "KMS.DisabledException"),
        (lambda kms, key: kms.schedule_key_deletion(KeyId=key), "KMS.KMSInvalidStateException"),
    ],
)
def test_object_is_not_read_under_a_key_that_is_not_in_use(embedded, ends, said):
    kms, bucket = embedded.client("kms"), embedded.bucket()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    embedded.put(bucket, "secret", b"text", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    ends(kms, key)
    with pytest.raises(ClientError, match=said):
        embedded.client("s3").get_object(Bucket=bucket, Key="secret")


def test_role_without_the_key_cannot_write_to_an_encrypted_bucket(embedded):
    key, bucket = encrypted_bucket(embedded)
    writes = statement("s3:PutObject", f"arn:aws:s3:::{bucket}/*")
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        embedded.client("s3", embedded.acting(writes)).put_object(Bucket=bucket, Key="k", Body=b"")
    allowed = embedded.acting(writes, statement("kms:GenerateDataKey", key))
    embedded.client("s3", allowed).put_object(Bucket=bucket, Key="k", Body=b"")


def encrypted_bucket(embedded):
    key, bucket = embedded.client("kms").create_key()["KeyMetadata"]["Arn"], embedded.bucket()
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    embedded.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return key, bucket


def test_condition_on_the_service_that_uses_a_key_is_met_through_s3_only(embedded):
    key, bucket = encrypted_bucket(embedded)
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    keys = embedded.acting(
        statement("s3:PutObject", f"arn:aws:s3:::{bucket}/*"),
        statement("kms:*", key, Condition=through),
    )
    embedded.client("s3", keys).put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("kms", keys).generate_data_key(KeyId=key, KeySpec="AES_256")


def test_grant_allows_what_no_policy_does(embedded):
    key = embedded.client("kms").create_key()["KeyMetadata"]["Arn"]
    role = embedded.role(trust={"AWS": "arn:aws:iam::000000000000:root"})
    found = embedded.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("kms", keys).generate_data_key(KeyId=key, KeySpec="AES_256")
    embedded.client("kms").create_grant(KeyId=key, GranteePrincipal=role, Operations=["GenerateDataKey"])
    assert embedded.client("kms", keys).generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]


def test_key_policy_alone_does_not_open_a_key_to_everybody(embedded):
    policy = {
        "Version": "2012-10-17",
        "Statement": [statement("kms:*", "*", Principal={"AWS": embedded.role()})],
    }
    key = embedded.client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("kms", embedded.acting(ALLOW_ALL)).describe_key(KeyId=key)


def test_bucket_policy_denies_where_the_role_allows(embedded):
    bucket, keys = embedded.bucket(), embedded.acting(ALLOW_ALL)
    embedded.client("s3", keys).put_object(Bucket=bucket, Key="k", Body=b"")
    deny = statement("s3:PutObject", f"arn:aws:s3:::{bucket}/*", effect="Deny", Principal="*")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    embedded.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("s3", keys).put_object(Bucket=bucket, Key="k", Body=b"")


def test_making_a_model_needs_leave_to_pass_its_role(embedded):
    role = embedded.role(ALLOW_ALL)
    creates = statement("sagemaker:CreateModel", "*")
    request = {
        "ExecutionRoleArn": role,
        "PrimaryContainer": {"Image": OWN_IMAGE},
    }
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {role}"):
        embedded.client("sagemaker", embedded.acting(creates)).create_model(ModelName=fresh("model"), **request)
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    passing = embedded.acting(creates, statement("iam:PassRole", role, Condition=to_sagemaker))
    embedded.client("sagemaker", passing).create_model(ModelName=fresh("model"), **request)


def test_role_that_does_not_trust_sagemaker_makes_no_model(embedded):
    with pytest.raises(ClientError, match="Could not assume role"):
        embedded.model(role=embedded.role(ALLOW_ALL, service="lambda"))


def test_own_image_needs_leave_to_pull_it(embedded):
    reads = statement("s3:GetObject", "*")
    pulls = [
        statement("ecr:GetAuthorizationToken", "*"),
        statement(
            ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "arn:aws:ecr:us-east-1:000000000000:repository/sample",
        ),
    ]
    role = embedded.role(reads, pulls[0])
    config = embedded.config(embedded.model(role=role, image=OWN_IMAGE))
    assert "ecr:BatchGetImage" in embedded.settled(embedded.endpoint(config))["FailureReason"]
    embedded.allow(role, pulls[1])
    assert embedded.settled(embedded.endpoint(config))["EndpointStatus"] == "InService"


def test_capture_that_its_role_may_not_write_is_not_written(embedded):
    bucket, role = embedded.bucket(), embedded.role(statement(["s3:GetObject", "ecr:*"], "*"))
    config = embedded.config(
        embedded.model(role=role),
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{bucket}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
    )
    name = embedded.endpoint(config)
    embedded.settled(name)
    embedded.ask(name)
    embedded.client("sagemaker").delete_endpoint(EndpointName=name)
    while name in str(embedded.client("sagemaker").list_endpoints()["Endpoints"]):
        pass
    assert "Contents" not in embedded.client("s3").list_objects_v2(Bucket=bucket)


def test_container_works_as_its_role(embedded):
    role = embedded.role(ALLOW_ALL)
    name = embedded.endpoint(embedded.config(embedded.model(role=role)))
    embedded.settled(name)
    seen = embedded.ask(name, {"environment": True})["environment"]
    keys = {
        "aws_access_key_id": seen["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": seen["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": seen["AWS_SESSION_TOKEN"],
    }
    assert role.rsplit("/")[-1] in embedded.client("sts", keys).get_caller_identity()["Arn"]


def test_function_needs_leave_to_pass_its_role(embedded):
    keys = embedded.acting(statement("lambda:*", "*"))
    with pytest.raises(ClientError, match="iam:PassRole"):
        function(embedded, embedded.role(service="lambda"), keys)


def test_function_whose_role_does_not_trust_lambda_does_not_run(embedded):
    name = function(embedded, embedded.role(ALLOW_ALL, service="sagemaker"))
    answer = embedded.client("lambda").invoke(FunctionName=name)
    assert answer["FunctionError"]
    assert b"cannot be assumed by Lambda" in answer["Payload"].read()


def function(embedded, role, keys=None):
    buffer, name = io.BytesIO(), fresh("function")
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "def handle(event, context): return 1")
    embedded.client("lambda", keys).create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="index.handle",
        Code={"ZipFile": buffer.getvalue()},
    )
    return name


def test_administration_of_the_emulator_is_closed(embedded):
    assert refused(embedded, f"{embedded.running.url}/_ministack/reset", {}) == 404
    assert refused(embedded, f"{embedded.running.url}/_ministack/config", {}) == 404


def test_plain_http_serves_apis_only(embedded):
    assert refused(embedded, f"{embedded.running.facts.http_url}/", {}) == 403
