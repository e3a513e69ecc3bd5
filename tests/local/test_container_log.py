"""What a container says reaches CloudWatch Logs by the hosting role's own leave, and the endpoint serves without it."""

import time

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.container_log import BACKLOG_BYTES, BATCH_BYTES, ContainerLog
from tests.embedded import ALLOW_ALL, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)


class Service:
    """CloudWatch Logs as far as a delivery sees it: what it has, and what it refuses."""

    def __init__(self, *, denies=False, group=False):
        self.denies, self.group, self.stream = denies, group, False
        self.calls, self.messages = [], []

    def create_log_group(self, **given):
        self.calls.append("CreateLogGroup")
        self.group = True

    def create_log_stream(self, **given):
        self.calls.append("CreateLogStream")
        self.refuse_unless(self.group)
        self.stream = True

    def put_log_events(self, logEvents, **given):
        self.calls.append("PutLogEvents")
        self.refuse_unless(self.stream)
        self.messages += [event["message"] for event in logEvents]

    def refuse_unless(self, there):
        code = "AccessDeniedException" if self.denies else None if there else "ResourceNotFoundException"
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, self.calls[-1])


def delivery(path, service):
    return ContainerLog(path, "group", "stream", lambda: service)


def delivered(path, service):
    """One whole life: everything in the file is sent before it ends."""
    log = delivery(path, service)
    log.start()
    log.stop()
    return service.messages


def test_group_and_stream_are_made_when_there_is_something_to_say(tmp_path):
    service = Service()
    (tmp_path / "log").write_text("one\n\ntwo")
    assert delivered(tmp_path / "log", service) == ["one", "two"]
    assert service.calls == ["CreateLogStream", "CreateLogGroup", "CreateLogStream", "PutLogEvents"]


def test_group_that_exists_is_not_made(tmp_path):
    service = Service(group=True)
    (tmp_path / "log").write_text("one\n")
    assert delivered(tmp_path / "log", service) == ["one"]
    assert service.calls == ["CreateLogStream", "PutLogEvents"]


def test_silent_container_makes_no_call(tmp_path):
    service = Service()
    assert delivered(tmp_path / "log", service) == []
    assert service.calls == []


def test_deleted_group_is_made_again(tmp_path):
    service, path = Service(), tmp_path / "log"
    path.write_text("one\n")
    log = delivery(path, service)
    log._send(log._next(whole_lines=True))
    service.group = service.stream = False
    with path.open("a") as file:
        file.write("two\n")
    log._send(log._next(whole_lines=True))
    assert service.messages == ["one", "two"]


def test_half_a_line_waits_for_its_end(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntw")
    assert delivery(path, Service())._next(whole_lines=True) == b"one\n"


def test_line_is_cut_only_where_it_is_longer_than_a_batch(tmp_path):
    long, path = "x" * (BATCH_BYTES + 1), tmp_path / "log"
    path.write_text(f"{'y' * (BATCH_BYTES - 9)}\none line\n{long}\n")
    service = Service()
    messages = delivered(path, service)
    assert "one line" in messages
    assert "".join(messages[messages.index("one line") + 1 :]) == long


def test_log_that_is_gone_ends_in_silence(tmp_path):
    assert delivered(tmp_path / "none", Service()) == []


def test_refused_lines_are_sent_once_they_may_be(tmp_path):
    service, path = Service(denies=True), tmp_path / "log"
    path.write_text("one\n")
    log = delivery(path, service)
    log._pause = 0.01
    log.start()
    until = time.monotonic() + 5
    while not service.calls and time.monotonic() < until:
        time.sleep(0.01)
    service.denies = False
    log.stop()
    assert service.messages == ["one"]


def test_backlog_is_bounded(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 99 + b"\n" + b"y" * (BACKLOG_BYTES - 1) + b"\n")
    assert delivery(path, Service())._next(whole_lines=True).startswith(b"y")


def messages(embedded, group):
    """Every message of a group, or None where there is no such group."""
    logs = embedded.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return None
    return [(event["logStreamName"], event["message"]) for event in found]


def within_seconds(ask, seconds=8):
    until = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_containers_words_are_in_the_endpoints_group(embedded):
    endpoint = embedded.serving(say="breeds loaded")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    [(stream, message)] = within_seconds(lambda: messages(embedded, group))
    assert message == "breeds loaded"
    assert stream.startswith("variant-0/i-")


def test_failed_containers_last_words_are_there_too(embedded):
    endpoint = embedded.endpoint(embedded.config(embedded.model(exit=True)))
    assert embedded.settled(endpoint)["EndpointStatus"] == "Failed"
    [(_, message)] = messages(embedded, f"/aws/sagemaker/Endpoints/{endpoint}")
    assert message == "this model cannot be loaded"


def test_role_without_leave_has_no_logs_and_serves(embedded):
    denied = statement("logs:*", "*", effect="Deny")
    role = embedded.role(ALLOW_ALL, denied)
    endpoint = embedded.endpoint(embedded.config(embedded.model(role=role, say="breeds loaded")))
    assert embedded.settled(endpoint)["EndpointStatus"] == "InService"
    time.sleep(1.5)
    assert embedded.ask(endpoint)["pid"]
    assert messages(embedded, f"/aws/sagemaker/Endpoints/{endpoint}") is None


def test_role_needs_no_more_than_its_own_group(embedded):
    endpoint = fresh("endpoint")
    group = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/{endpoint}"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    role = embedded.role(statement("s3:GetObject", "*"), statement(actions, [group, f"{group}:*"]))
    config = embedded.config(embedded.model(role=role, say="breeds loaded"))
    embedded.client("sagemaker").create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    assert embedded.settled(endpoint)["EndpointStatus"] == "InService"
    assert within_seconds(lambda: messages(embedded, group.rsplit(":", 1)[-1]))
