"""A rule calls a function where the function's policy lets it; what fails for good goes where its role may put it."""

import io
import json
import time
import zipfile

import pytest

from tests.embedded import fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)
CODE = """
import boto3, json, os

def handle(event, context):
    queue = os.environ["HEARD"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event["detail"]))
    if event["detail"].get("fail"):
        raise ValueError("as asked")
"""


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("index.py", CODE)
    return buffer.getvalue()


class Wired:
    """A rule before a function, which tells one queue what it heard and leaves in another what it failed on."""

    def __init__(self, embedded):
        self.embedded, self.source = embedded, fresh("source")
        self.sqs, self.events = embedded.client("sqs"), embedded.client("events")
        self.functions = embedded.client("lambda")
        self.heard, self.failures = (self.sqs.create_queue(QueueName=fresh("queue"))["QueueUrl"] for _ in range(2))
        self.role = embedded.role(statement("sqs:SendMessage", self.arn(self.heard)), service="lambda")
        self.name, self.rule = fresh("function"), fresh("rule")
        self.function = self.functions.create_function(
            FunctionName=self.name,
            Runtime="python3.12",
            Handler="index.handle",
            Role=self.role,
            Code={"ZipFile": archive()},
            Environment={"Variables": {"HEARD": self.heard}},
            DeadLetterConfig={"TargetArn": self.arn(self.failures)},
            Timeout=20,
        )["FunctionArn"]
        pattern = json.dumps({"source": [self.source]})
        self.rule_arn = self.events.put_rule(Name=self.rule, EventPattern=pattern)["RuleArn"]
        self.events.put_targets(Rule=self.rule, Targets=[{"Id": "one", "Arn": self.function}])

    def arn(self, queue):
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]

    def admit(self, source):
        self.functions.add_permission(
            FunctionName=self.name,
            StatementId=fresh("sid"),
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=source,
        )

    def tell(self, **detail):
        entry = {"Source": self.source, "DetailType": "word", "Detail": json.dumps(detail)}
        self.events.put_events(Entries=[entry])

    def taken(self, queue, seconds):
        """What arrives within so many seconds."""
        found, until = [], time.monotonic() + seconds
        while time.monotonic() < until and not found:
            for message in self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found


@pytest.fixture
def wired(embedded):
    return Wired(embedded)


def test_a_rule_calls_a_function_that_admits_it_and_no_other(wired):
    wired.tell(word="unheard")
    wired.admit(wired.rule_arn + "-of-somebody-else")
    wired.tell(word="unheard")
    wired.admit(wired.rule_arn)
    wired.tell(word="heard")
    assert wired.taken(wired.heard, 10) == [{"word": "heard"}]


def test_what_a_function_fails_on_is_kept_where_its_role_may_put_it(wired):
    wired.admit(wired.rule_arn)
    wired.embedded.allow(wired.role, statement("sqs:SendMessage", wired.arn(wired.failures)))
    wired.tell(fail=True)
    (kept,) = wired.taken(wired.failures, 15)
    assert kept["requestPayload"]["detail"] == {"fail": True}
    tries = []
    while found := wired.taken(wired.heard, 1):
        tries += found
    assert tries == [{"fail": True}] * 3


def test_what_a_function_fails_on_is_lost_where_its_role_may_not(wired):
    wired.admit(wired.rule_arn)
    wired.tell(fail=True)
    tries = []
    while len(tries) < 3:
        tries += wired.taken(wired.heard, 10) or [None]
    assert None not in tries
    assert wired.taken(wired.failures, 1) == []
