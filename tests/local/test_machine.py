"""One instance without its processes: its role's credentials are renewed in time, and how busy it is is published."""

import pytest

from local import joints_cloudwatch, joints_ec2, process_group
from local.authority import CannotAssume, Credentials
from local.clock import Clock
from local.ec2.machine import Machine
from local.ec2.metrics import MachineMetrics
from local.records import Scope
from local.sandbox import machine as machine_module
from local.sandbox.machine import KEYS_LAST_SECONDS, RENEW_BEFORE_SECONDS, port_before

PLACE = Scope("000000000000", "us-east-1")


@pytest.fixture
def assumed(monkeypatch):
    """Every time that the role was assumed; the clock stands at `now`."""
    found = {"now": 1000.0, "ends": [], "refused": False}

    def assume(scope, role, service, session, source, ends):
        assert (role, service, session, source) == ("arn:role/box", "ec2.amazonaws.com", "i-1", None)
        if found["refused"]:
            raise CannotAssume("no")
        found["ends"].append(ends)
        return Credentials(f"key-{len(found['ends'])}", "secret", "token")

    monkeypatch.setattr(machine_module, "assume_role", assume)
    monkeypatch.setattr(machine_module.time, "time", lambda: found["now"])
    monkeypatch.setattr(joints_ec2, "instance_at", lambda place, identity: {"IamInstanceProfile": {"Arn": "arn:p"}})
    monkeypatch.setattr(joints_ec2, "instance_profile", lambda name, arn: (arn, ["arn:role/box"]))
    return found


def test_credentials_are_renewed_before_they_end(assumed, tmp_path):
    machine = Machine(PLACE, "i-1", tmp_path, {}, 1.0)
    first = machine.role_keys()
    assert first.expires == 1000.0 + KEYS_LAST_SECONDS
    assumed["now"] = first.expires - RENEW_BEFORE_SECONDS
    assert machine.role_keys() is first
    assumed["now"] += 1
    second = machine.role_keys()
    assert second.credentials.access_key == "key-2"
    assert second.expires > first.expires


def test_a_role_that_ec2_may_not_assume_gives_none(assumed, tmp_path):
    assumed["refused"] = True
    assert Machine(PLACE, "i-1", tmp_path, {}, 1.0).role_keys() is None


@pytest.mark.parametrize("left", [None, "", "not a port"])
def test_any_port_will_do_where_it_had_none_or_the_file_is_damaged(tmp_path, left):
    if left is not None:
        (tmp_path / "metadata-port").write_text(left)
    assert port_before(tmp_path / "metadata-port") == 0


class Busy:
    """An instance whose one process has taken so much."""

    identity, place = "i-1", PLACE

    def processes(self):
        return [1]


def test_processor_use_is_published_every_five_minutes(monkeypatch):
    now, taken, published = [0.0], [0.0], []
    clock = Clock(machine=lambda: now[0])
    monkeypatch.setattr(process_group, "processor_seconds", lambda pid: taken[0])
    monkeypatch.setattr(joints_cloudwatch, "publish", lambda *point: published.append(point))
    monkeypatch.setattr("local.ec2.metrics.os.cpu_count", lambda: 2)

    class Machines:
        def running(self):
            return [Busy()]

    metrics = MachineMetrics(Machines(), clock)
    for now[0], taken[0] in ((100.0, 60.0), (200.0, 30.0), (299.0, 150.0)):
        metrics.publish()
    assert published == []
    now[0] = 300.0
    metrics.publish()
    ((place, namespace, metric, unit, dimensions, at, values),) = published
    assert (place, namespace, metric, unit) == (PLACE, "AWS/EC2", "CPUUtilization", "Percent")
    assert (dimensions, at) == ({"InstanceId": "i-1"}, 0.0)
    # 60 and then 120 seconds, of 300 on each of two processors; what an ended process took along is not counted back.
    assert values == {30.0: 1}
