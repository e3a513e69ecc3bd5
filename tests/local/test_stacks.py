"""The sample app through the unmodified CDK command line: bootstrap, deploy, diff, update, rollback, destroy."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, APP, AWS_IMAGE, artefact, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)


class Sample:
    """The sample app, deployed."""

    def __init__(self, embedded, folder):
        self.embedded, self.folder = embedded, folder
        self.arguments = ["-c", f"artefact={folder / 'model.tar.gz'}", "-c", f"image={AWS_IMAGE}"]
        self.model(name="one")
        # Outside the app's folder nothing is synthesized for it.
        embedded.cdk("bootstrap", "aws://000000000000/us-east-1", app=folder, output=folder / "bootstrap.out")
        self.deploy()
        found = embedded.client("cloudformation").describe_stacks(StackName="sample")["Stacks"][0]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def model(self, **behaviour):
        (self.folder / "model.tar.gz").write_bytes(artefact(**behaviour))

    def cdk(self, *arguments):
        """On the assembly of the last deploy: five seconds of synthesis would show nothing more."""
        given = [*arguments, "--app", str(self.folder / "cdk.out")]
        return self.embedded.cdk(*given, app=self.folder, output=self.folder / "other.out")

    def deploy(self, expect=0):
        given = ["deploy", "--require-approval", "never", *self.arguments]
        return self.embedded.cdk(*given, app=APP, output=self.folder / "cdk.out", expect=expect)

    def post(self, path, body=None, headers=None, door="url"):
        base = getattr(self.embedded.running.facts, door)
        url = f"{base}/_aws/execute-api/{self.outputs['ApiId']}/{path}"
        return send(self.embedded, url, json.dumps(body or {}).encode(), headers or {})

    def status(self):
        found = self.embedded.client("cloudformation").describe_stacks(StackName="sample")["Stacks"][0]
        return found["StackStatus"]


def send(embedded, url, body, headers):
    context = ssl.create_default_context(cafile=embedded.environment["AWS_CA_BUNDLE"])
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, context=context if url.startswith("https") else None) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def sample(embedded, tmp_path_factory):
    return Sample(embedded, tmp_path_factory.mktemp("sample"))


def test_api_answers_through_function_and_endpoint(sample):
    status, body = sample.post("open")
    assert (status, json.loads(body)["model"]) == (200, "one")


def test_api_answers_over_plain_http_too(sample):
    assert sample.post("open", door="http_url")[0] == 200


def test_api_has_every_path_to_itself_under_its_own_host(sample):
    url = f"http://127.0.0.1:{sample.embedded.running.facts.http_port}/health"
    host = f"{sample.outputs['ApiId']}.execute-api.localhost:{sample.embedded.running.facts.http_port}"
    assert send(sample.embedded, url, b"{}", {"Host": host}) == (404, b'{"message":"Not Found"}')


def test_access_log_of_a_template_is_written(sample):
    sample.post("open")
    logs, group = sample.embedded.client("logs"), sample.outputs["AccessLogName"]
    until = time.monotonic() + 5
    lines = []
    while not lines and time.monotonic() < until:
        lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert "POST /open 200" in lines


def test_diff_of_what_is_deployed_is_empty(sample):
    assert "no differences" in sample.cdk("diff")


def test_function_works_as_its_role(sample):
    role = sample.outputs["FunctionRoleArn"].rsplit("/")[-1]
    assert f"assumed-role/{role}/" in json.loads(sample.post("open", {"look": "identity"})[1])


def test_function_sees_what_lambda_gives_and_nothing_of_the_server(sample):
    seen = json.loads(sample.post("open", {"look": "environment"})[1])
    assert seen["ENDPOINT"] == "Sample-Endpoint"
    leaked = [name for name in seen if name.startswith(("MINISTACK", "STATE_DIR", "GATEWAY", "AUTH", "PYTHONPATH"))]
    assert leaked == []


def test_functions_home_and_cache_are_not_the_users(sample):
    seen = json.loads(sample.post("open", {"look": "environment"})[1])
    for name in ("HOME", "XDG_CACHE_HOME"):
        assert seen[name].startswith(str(sample.embedded.running.home.scratch)), name


def test_function_may_ask_its_own_endpoint_only(sample):
    status, body = sample.post("open", {"endpoint": "other"})
    assert status == 502
    assert "not authorized to perform: sagemaker:InvokeEndpoint" in json.loads(body)["error"]["Message"]


def test_route_without_permission_on_the_function_does_not_reach_it(sample):
    assert sample.post("unpermitted") == (500, b'{"message":"Internal Server Error"}')


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_unsigned_call_of_a_signed_route_is_forbidden(sample, headers):
    assert sample.post("signed", headers=headers) == (403, b'{"message":"Forbidden"}')


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 403)])
def test_signed_call_needs_leave_for_this_very_route(sample, method, status):
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{sample.outputs['ApiId']}/*/{method}/signed"
    headers = signed(sample, sample.embedded.acting(statement("execute-api:Invoke", arn)))
    assert sample.post("signed", headers=headers)[0] == status


def signed(sample, keys):
    url = f"{sample.embedded.running.url}/_aws/execute-api/{sample.outputs['ApiId']}/signed"
    request = botocore.awsrequest.AWSRequest("POST", url, data=b"{}", headers={"Content-Type": "application/json"})
    credentials = botocore.credentials.Credentials(
        keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"]
    )
    botocore.auth.SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_reserved_concurrency_answers_429_when_it_is_used_up(sample):
    client = sample.embedded.client("lambda")

    def invoke(_):
        try:
            client.invoke(FunctionName=sample.outputs["FunctionName"], Payload=json.dumps({"sleep": 3}))
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "answered"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(invoke, range(4)))
    assert sorted(found) == ["TooManyRequestsException", "answered", "answered", "answered"]


def test_throttled_route_answers_429_beyond_its_burst(sample):
    client, api_id = sample.embedded.client("apigatewayv2"), sample.outputs["ApiId"]
    limits = {"ThrottlingRateLimit": 0.1, "ThrottlingBurstLimit": 2}
    client.update_stage(ApiId=api_id, StageName="$default", DefaultRouteSettings=limits)
    found = [sample.post("open")[0] for _ in range(4)]
    generous = {"ThrottlingRateLimit": 1000.0, "ThrottlingBurstLimit": 1000}
    client.update_stage(ApiId=api_id, StageName="$default", DefaultRouteSettings=generous)
    assert found == [200, 200, 429, 429]


def test_capture_lands_in_the_encrypted_bucket(sample):
    sample.post("open")
    client, bucket = sample.embedded.client("s3"), sample.outputs["BucketName"]
    for _ in range(100):
        if found := client.list_objects_v2(Bucket=bucket, Prefix="capture/Sample-Endpoint/main/").get("Contents"):
            break
        time.sleep(0.05)
    assert client.head_object(Bucket=bucket, Key=found[0]["Key"])["ServerSideEncryption"] == "aws:kms"


def test_scaling_is_described_as_the_template_says(sample):
    client = sample.embedded.client("application-autoscaling")
    (policy,) = client.describe_scaling_policies(
        ServiceNamespace="sagemaker", ResourceId="endpoint/Sample-Endpoint/variant/main"
    )["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 100


def test_stack_tags_reach_the_endpoint(sample):
    client = sample.embedded.client("sagemaker")
    arn = client.describe_endpoint(EndpointName="Sample-Endpoint")["EndpointArn"]
    tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
    assert tags["purpose"] == "test"


def test_update_replaces_the_model_and_keeps_the_endpoint(sample):
    before = sample.embedded.ask("Sample-Endpoint")["pid"]
    sample.model(name="two")
    sample.deploy()
    after = sample.embedded.ask("Sample-Endpoint")
    assert (after["model"], after["pid"] != before) == ("two", True)
    assert len(sample.embedded.client("sagemaker").list_models(NameContains="sample-")["Models"]) == 1


def test_update_to_a_model_that_does_not_start_rolls_back(sample):
    serving = sample.embedded.ask("Sample-Endpoint")
    sample.model(exit=True)
    said = sample.deploy(expect=1)
    assert "did not pass the ping health check" in " ".join(said.split())
    assert sample.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert sample.embedded.ask("Sample-Endpoint")["pid"] == serving["pid"]
    sample.model(name="two")


def test_unknown_type_fails_the_deploy_by_name(embedded):
    template = {"Resources": {"Thing": {"Type": "AWS::SageMaker::Workforce", "Properties": {}}}}
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::SageMaker::Workforce\]"):
        embedded.client("cloudformation").create_stack(StackName=fresh("stack"), TemplateBody=json.dumps(template))


def test_unknown_property_fails_the_stack_by_name(embedded):
    template = {
        "Resources": {
            "Group": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                "Properties": {"ModelPackageGroupName": "group", "Colour": "blue"},
            }
        }
    }
    name, client = fresh("stack"), embedded.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    reasons = [
        one.get("ResourceStatusReason", "") for one in client.describe_stack_events(StackName=name)["StackEvents"]
    ]
    assert any("AWS::SageMaker::ModelPackageGroup has no property Colour" in reason for reason in reasons)


def test_stack_works_with_the_role_it_was_given(embedded):
    template = {
        "Resources": {
            "Group": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": "g"}}
        }
    }
    role, name = embedded.role(statement("s3:*", "*"), service="cloudformation"), fresh("stack")
    client = embedded.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), RoleARN=role)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    assert any("sagemaker:CreateModelPackageGroup" in one.get("ResourceStatusReason", "") for one in events)


def test_role_that_does_not_trust_cloudformation_is_refused(embedded):
    client = embedded.client("cloudformation")
    with pytest.raises(ClientError, match="cannot be assumed"):
        client.create_stack(
            StackName=fresh("stack"), TemplateBody='{"Resources": {}}', RoleARN=embedded.role(ALLOW_ALL)
        )


def test_giving_a_stack_a_role_needs_leave_to_pass_it(embedded):
    role = embedded.role(service="cloudformation")
    client = embedded.client("cloudformation", embedded.acting(statement("cloudformation:*", "*")))
    with pytest.raises(ClientError, match="iam:PassRole"):
        client.create_stack(StackName=fresh("stack"), TemplateBody='{"Resources": {}}', RoleARN=role)


def test_bucket_that_holds_objects_is_not_deleted(embedded):
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
    name, client = fresh("stack"), embedded.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    bucket = client.describe_stack_resource(StackName=name, LogicalResourceId="Bucket")["StackResourceDetail"]
    embedded.put(bucket["PhysicalResourceId"], "key", b"")
    client.delete_stack(StackName=name)
    (found,) = client.describe_stacks(StackName=name)["Stacks"]
    assert found["StackStatus"] == "DELETE_FAILED"


def test_destroy_leaves_no_endpoint_and_no_process(sample):
    instances = sample.embedded.running.home.instances / "Sample-Endpoint"
    (pid,) = [json.loads(path.read_text())["pid"] for path in instances.glob("*/instance.json")]
    # What is captured until now is written within a second; it would fill the bucket again.
    time.sleep(1.5)
    client = sample.embedded.client("s3")
    for one in client.list_objects_v2(Bucket=sample.outputs["BucketName"]).get("Contents", []):
        client.delete_object(Bucket=sample.outputs["BucketName"], Key=one["Key"])
    sample.cdk("destroy", "--force")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sample.embedded.client("sagemaker").describe_endpoint(EndpointName="Sample-Endpoint")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_output_alone_is_a_change(embedded):
    client, name = embedded.client("cloudformation"), "one-more-output"
    template = {"Resources": {"Kept": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "a"}}}}
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})

    def change(change_set, outputs):
        body = json.dumps({**template, "Outputs": outputs})
        made = client.create_change_set(StackName=name, ChangeSetName=change_set, TemplateBody=body)
        return client.describe_change_set(ChangeSetName=made["Id"])

    exported = {"Name": {"Value": {"Ref": "Kept"}, "Export": {"Name": "kept-name"}}}
    found = change("added", exported)
    assert (found["Status"], found["ExecutionStatus"], found["Changes"]) == ("CREATE_COMPLETE", "AVAILABLE", [])
    client.execute_change_set(ChangeSetName=found["ChangeSetId"])
    client.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    assert "kept-name" in [one["Name"] for one in client.list_exports()["Exports"]]
    assert change("again", exported)["Status"] == "FAILED"
    client.delete_stack(StackName=name)
