"""A stage's access log has one line for each request, in its own format, whatever became of the request."""

import io
import json
import ssl
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from local import control
from local.api_log import UNKNOWN, ApiLogs, render
from local.api_metrics import ApiMetrics
from local.clock import Clock
from local.readings import Readings
from tests.embedded import Embedded, fresh

pytestmark = pytest.mark.xdist_group(__name__)
FIELDS = [
    "accountId",
    "apiId",
    "domainName",
    "error.message",
    "httpMethod",
    "identity.sourceIp",
    "identity.userAgent",
    "integrationLatency",
    "integrationStatus",
    "integration.status",
    "nonsense",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "responseLatency",
    "responseLength",
    "routeKey",
    "stage",
    "status",
]
FORMAT = json.dumps({name: f"$context.{name}" for name in FIELDS})
CODE = """
def handle(event, context):
    return {"statusCode": 201, "body": event["requestContext"]["requestId"]}
"""


def test_variables_are_replaced_and_unknown_ones_are_a_dash():
    values = {"status": "200", "identity.sourceIp": "127.0.0.1"}
    line = render('$context.identity.sourceIp [$context.status] "$context.nonsense" $5', values)
    assert line == '127.0.0.1 [200] "-" $5'


def test_quotes_of_a_caller_leave_the_line_json():
    agent = 'a"b\\c\n'
    assert json.loads(render('{"agent": "$context.agent"}', {"agent": agent})) == {"agent": agent}


def test_quoted_message_brings_its_quotes():
    assert json.loads(render('{"error": $context.error.messageString}', {"error.messageString": '"no"'})) == {
        "error": "no"
    }


class Api:
    """An HTTP API whose stage $default has an access log."""

    def __init__(self, embedded, **stage):
        self.embedded, self.group = embedded, f"/api/{fresh('log')}"
        self.client = embedded.client("apigatewayv2")
        self.id = self.client.create_api(Name=fresh("api"), ProtocolType="HTTP")["ApiId"]
        embedded.client("logs").create_log_group(logGroupName=self.group)
        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{self.group}"
        settings = {"DestinationArn": arn, "Format": FORMAT, **stage.pop("AccessLogSettings", {})}
        self.client.create_stage(ApiId=self.id, StageName="$default", AccessLogSettings=settings, **stage)

    def to_function(self, *keys):
        """Routes to a function that says its request's id."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("index.py", CODE)
        lambdas, name = self.embedded.client("lambda"), fresh("function")
        found = lambdas.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="index.handle",
            Role=self.embedded.role(service="lambda"),
            Code={"ZipFile": buffer.getvalue()},
        )
        lambdas.add_permission(
            FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
        )
        integration = self.client.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=found["FunctionArn"],
            PayloadFormatVersion="2.0",
        )["IntegrationId"]
        for key, authorization in keys:
            self.client.create_route(
                ApiId=self.id, RouteKey=key, AuthorizationType=authorization, Target=f"integrations/{integration}"
            )
        return self

    def get(self, path, **headers):
        """Status, headers and body of an answer."""
        url = f"{self.embedded.running.url}/_aws/execute-api/{self.id}{path}"
        context = ssl.create_default_context(cafile=self.embedded.environment["AWS_CA_BUNDLE"])
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def lines(self, count):
        """This many lines, waited for, of all streams."""
        until = time.monotonic() + 5
        while len(found := self.messages()) < count and time.monotonic() < until:
            time.sleep(0.05)
        assert len(found) == count
        return [json.loads(line) for line in found]

    def messages(self):
        found = self.embedded.client("logs").filter_log_events(logGroupName=self.group)["events"]
        return [event["message"] for event in found]


@pytest.fixture(scope="module")
def api(embedded):
    limits = {"GET /slow": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 1}}
    routes = ("GET /open", "NONE"), ("GET /signed", "AWS_IAM"), ("GET /slow", "NONE")
    return Api(embedded, RouteSettings=limits).to_function(*routes)


def line_of(api, path, **headers):
    """What the log says about one request."""
    before = len(api.messages())
    answer = api.get(path, **headers)
    return answer, api.lines(before + 1)[-1]


def test_line_knows_the_request_and_its_answer(embedded, api):
    (status, headers, body), line = line_of(api, "/open", **{"User-Agent": 'a "browser"'})
    assert status == 201
    numbers = ("requestTimeEpoch", "responseLatency", "integrationLatency")
    epoch, latency, integration = (int(line.pop(name)) for name in numbers)
    assert 0 <= integration <= latency < 60_000
    assert abs(epoch / 1000 - time.time()) < 60
    moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(epoch / 1000))
    assert line == {
        "accountId": "000000000000",
        "apiId": api.id,
        "domainName": f"{api.id}.execute-api.localhost",
        "error.message": UNKNOWN,
        "httpMethod": "GET",
        "identity.sourceIp": "127.0.0.1",
        "identity.userAgent": 'a "browser"',
        "integrationStatus": "200",
        "integration.status": "201",
        "nonsense": UNKNOWN,
        "path": "/open",
        "protocol": "HTTP/1.1",
        "requestId": headers["apigw-requestid"],
        "requestTime": moment,
        "responseLength": str(len(body)),
        "routeKey": "GET /open",
        "stage": "$default",
        "status": "201",
    }


def test_function_answer_and_log_agree_about_the_requests_id(api):
    (_, headers, body), line = line_of(api, "/open")
    assert body.decode() == headers["apigw-requestid"] == line["requestId"]


def refusal(line):
    return [line[name] for name in ("status", "routeKey", "error.message", "integrationStatus", "integrationLatency")]


def test_request_without_leave_is_logged(api):
    (status, _, _), line = line_of(api, "/signed")
    assert status == 403
    assert refusal(line) == ["403", "GET /signed", "Forbidden", UNKNOWN, UNKNOWN]


def test_throttled_request_is_logged_under_an_id_of_its_own(api):
    first, second, third = (line_of(api, "/slow")[1] for _ in range(3))
    assert first["status"] == "201"
    assert refusal(second) == refusal(third) == ["429", "GET /slow", "Too Many Requests", UNKNOWN, UNKNOWN]
    assert len({line["requestId"] for line in (first, second, third)}) == 3


def test_request_without_a_route_is_logged(api):
    assert refusal(line_of(api, "/nowhere")[1]) == ["404", UNKNOWN, "Not Found", UNKNOWN, UNKNOWN]


def test_path_names_its_stage(embedded):
    api = Api(embedded)
    settings = {"DestinationArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{api.group}:*", "Format": FORMAT}
    api.client.create_stage(ApiId=api.id, StageName="beta", AccessLogSettings=settings)
    (_, _, _), line = line_of(api, "/beta/nowhere")
    assert (line["path"], line["stage"]) == ("/beta/nowhere", "beta")


def test_group_that_is_gone_fails_no_request(embedded):
    api = Api(embedded)
    embedded.client("logs").delete_log_group(logGroupName=api.group)
    assert [api.get("/nowhere")[0] for _ in range(2)] == [404, 404]
    time.sleep(0.5)
    assert api.get("/nowhere")[0] == 404


def test_waiting_lines_are_bounded(monkeypatch):
    monkeypatch.setattr("local.api_log.WAITING_LIMIT", 2)
    logs = ApiLogs(ApiMetrics(Readings(Clock())))
    logs._due = object()
    for _ in range(5):
        logs._offer(object())
    assert (len(logs._waiting), logs._dropped) == (2, 3)


def test_last_line_before_a_stop_is_there_after_a_start(tmp_path):
    api = Api(Embedded(control.start(state=tmp_path / "aws", port=0)))
    try:
        api.get("/nowhere")
        control.stop(tmp_path / "aws")
        api.embedded = Embedded(control.start(state=tmp_path / "aws", port=0))
        assert api.lines(1)[0]["status"] == "404"
    finally:
        control.stop(tmp_path / "aws")
