"""What IAM knows of a request from a VPC: the endpoint that it came through, that endpoint's policy, its address."""

import json
import ssl
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.networks import PLUGS_IN, Vpc, anybody

pytestmark = pytest.mark.xdist_group(__name__)


@pytest.fixture(scope="module")
def inside(embedded):
    """A VPC with endpoints of a few services."""
    made = Vpc(embedded)
    made.gateway_id = made.gateway()
    for service in ("sts", "logs", "sagemaker.runtime"):
        made.endpoints[service] = made.interface(service)
    return made


@pytest.fixture(scope="module")
def role(embedded):
    return embedded.role(ALLOW_ALL)


@pytest.fixture(scope="module")
def keys(inside, role):
    """Of somebody inside who may do everything."""
    return inside.keys(role)


@pytest.fixture
def through(embedded, inside):
    """Sets the policy of one of the endpoints, for the length of a test."""
    changed = []

    def set_policy(*statements, service="s3"):
        identity = inside.gateway_id if service == "s3" else inside.endpoints[service]
        changed.append(identity)
        policy = json.dumps({"Statement": list(statements)})
        embedded.client("ec2").modify_vpc_endpoint(VpcEndpointId=identity, PolicyDocument=policy)

    yield set_policy
    for identity in changed:
        embedded.client("ec2").modify_vpc_endpoint(VpcEndpointId=identity, ResetPolicy=True)


def refusal(call, **more):
    with pytest.raises(ClientError) as error:
        call(**more)
    return error.value.response["Error"]


def test_bucket_can_ask_for_the_endpoint_the_vpc_and_the_address(embedded, inside, keys):
    bucket, client = embedded.bucket(), embedded.client("s3", keys)
    outside = embedded.client("s3", embedded.acting(statement("s3:*", "*")))
    embedded.put(bucket, "x", b"x")
    for condition in (
        {"StringNotEquals": {"aws:SourceVpce": inside.gateway_id}},
        {"StringNotEquals": {"aws:SourceVpc": inside.identity}},
        {"NotIpAddress": {"aws:VpcSourceIp": "10.7.1.0/24"}},
    ):
        deny = anybody("s3:GetObject", f"arn:aws:s3:::{bucket}/*", "Deny", Condition=condition)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        embedded.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
        assert client.get_object(Bucket=bucket, Key="x")
        assert refusal(outside.get_object, Bucket=bucket, Key="x")["Code"] == "AccessDenied"


def test_address_of_a_request_through_an_endpoint_is_not_the_public_one(embedded, keys):
    bucket = embedded.bucket()
    embedded.put(bucket, "x", b"x")
    deny = anybody("s3:GetObject", f"arn:aws:s3:::{bucket}/*", "Deny", Condition={"Null": {"aws:SourceIp": "true"}})
    embedded.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [deny]}))
    assert refusal(embedded.client("s3", keys).get_object, Bucket=bucket, Key="x")["Code"] == "AccessDenied"
    assert embedded.client("s3", embedded.acting(statement("s3:*", "*"))).get_object(Bucket=bucket, Key="x")


def test_endpoints_policy_is_one_more_that_must_allow(embedded, keys, through):
    client, allowed, other = embedded.client("s3", keys), embedded.bucket(), embedded.bucket()
    for bucket in (allowed, other):
        embedded.put(bucket, "x", b"x")
    reads = anybody("s3:GetObject", f"arn:aws:s3:::{allowed}/*")
    through(reads)
    assert client.get_object(Bucket=allowed, Key="x")
    said = refusal(client.get_object, Bucket=other, Key="x")
    assert said["Code"] == "AccessDenied"
    assert said["Message"].endswith(
        f"perform: s3:GetObject on resource: arn:aws:s3:::{other}/x because no VPC endpoint policy allows the "
        "s3:GetObject action"
    )
    assert "VPC endpoint" in refusal(client.put_object, Bucket=allowed, Key="y", Body=b"")["Message"]
    through(reads, anybody("s3:GetObject", "*", "Deny"))
    said = refusal(client.get_object, Bucket=allowed, Key="x")["Message"]
    assert said.endswith("with an explicit deny in a VPC endpoint policy")


@pytest.mark.parametrize(
    ("more", "passes"),
    [
        ({"Principal": {"AWS": "ROLE"}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::000000000000:role/other"}}, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": "000000000000"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": "111111111111"}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-other"}}}, False),
    ],
)
def test_endpoints_policy_knows_principals_and_conditions(embedded, keys, role, through, more, passes):
    through(json.loads(json.dumps({**anybody("*", "*"), **more}).replace("ROLE", role)))
    try:
        embedded.client("s3", keys).list_buckets()
        passed = True
    except ClientError as error:
        assert "VPC endpoint policy" in error.response["Error"]["Message"]
        passed = False
    assert passed == passes


def test_endpoints_policy_is_nothing_to_those_outside(embedded, through):
    through(anybody("s3:GetObject", "arn:aws:s3:::nothing/*"))
    assert embedded.client("s3", embedded.acting(statement("s3:*", "*"))).list_buckets()


@pytest.mark.slow
def test_endpoints_policy_grants_nothing(embedded, inside):
    client = embedded.client("s3", inside.keys(embedded.role(statement(["s3:PutObject", "ecr:*"], "*"), PLUGS_IN)))
    assert "no identity-based policy allows" in refusal(client.list_buckets)["Message"]


def test_policy_of_an_interface_endpoint_counts(embedded, keys, through):
    through(anybody("logs:DescribeLogGroups", "*"), service="logs")
    client = embedded.client("logs", keys)
    assert "logGroups" in client.describe_log_groups()
    said = refusal(client.create_log_group, logGroupName=fresh("group"))
    assert said["Code"] == "AccessDeniedException"
    assert "because no VPC endpoint policy allows the logs:CreateLogGroup action" in said["Message"]


@pytest.mark.slow
def test_policy_of_sagemakers_endpoint_is_not_asked_about_the_role_that_a_call_passes(embedded):
    inside, role = Vpc(embedded), embedded.role(ALLOW_ALL)
    inside.gateway()
    inside.interface("sagemaker.api", anybody("sagemaker:CreateModel", "*"))
    client = embedded.client("sagemaker", inside.keys())
    container = {"Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/sample:1"}
    assert client.create_model(ModelName=fresh("model"), ExecutionRoleArn=role, PrimaryContainer=container)
    assert "no VPC endpoint policy allows the sagemaker:ListModels" in refusal(client.list_models)["Message"]


# --- services ----------------------------------------------------------------------------------------------------


def test_service_without_an_endpoint_ends_the_connection(embedded, keys):
    with pytest.raises(ConnectionClosedError):
        embedded.client("kms", keys).list_keys()


@pytest.mark.slow
def test_signed_address_leads_no_further_than_its_signers_network(embedded):
    """S3's, used by anybody: the key in it says from where."""
    inside = Vpc(embedded)
    gateway, bucket = inside.gateway(), embedded.bucket()
    embedded.put(bucket, "x", b"x")
    url = embedded.client("s3", inside.keys()).generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "x"}
    )
    trust = ssl.create_default_context(cafile=embedded.environment["AWS_CA_BUNDLE"])
    assert urllib.request.urlopen(url, context=trust).read() == b"x"
    embedded.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[gateway])
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(url, context=trust)


@pytest.mark.slow
def test_sagemakers_two_services_have_endpoints_of_their_own(embedded, keys):
    endpoint = embedded.serving()
    asked = {"EndpointName": endpoint, "Body": b"{}", "ContentType": "application/json"}
    assert embedded.client("sagemaker-runtime", keys).invoke_endpoint(**asked)["Body"].read()
    with pytest.raises(ConnectionClosedError):
        embedded.client("sagemaker", keys).list_models()


def test_session_taken_inside_is_used_inside(embedded, inside, keys):
    role = embedded.role(ALLOW_ALL, trust={"AWS": f"arn:aws:iam::{embedded.running.facts.account}:root"})
    taken = embedded.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="inside")["Credentials"]
    session = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    assert embedded.client("s3", session).list_buckets()
    with pytest.raises(ConnectionClosedError):
        embedded.client("kms", session).list_keys()
