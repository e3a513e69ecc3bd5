"""A command's way to its instances: how many at a time, until how many have failed, how long it waits for an agent."""

import threading
import time

import pytest

from local.ssm import command as record
from local.ssm.delivery import Delivery
from local.ssm.request import RateControls

SUCCESS, FAILED = ({"Status": one, "StatusDetails": one} for one in ("Success", "Failed"))


class Fleet:
    """Instances whose commands take a moment, and what was told of each."""

    def __init__(self, count, *, failing=(), online=lambda one: True, **asked):
        self.failing, self.most, self.running, self.told, self.ran = failing, 0, 0, {}, []
        self.lock, names = threading.Lock(), [f"i-{index}" for index in range(count)]
        timeout = asked.pop("delivery_seconds", 60.0)
        controls = RateControls.of({"MaxErrors": "100%", **asked}, count)
        controls = RateControls(controls.at_once, controls.errors, timeout)
        self.delivery = Delivery(names, controls, online, self.run, self.told.__setitem__)

    def run(self, identity, cancelled):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.ran.append(identity)
        time.sleep(0.02)
        with self.lock:
            self.running -= 1
        return FAILED if identity in self.failing else SUCCESS

    def delivered(self):
        self.delivery._deliver()
        return self


@pytest.mark.parametrize(("asked", "most"), [("1", 1), ("3", 3), ("50%", 4), ("5%", 1), ("50", 8)])
def test_so_many_work_at_a_time(asked, most):
    fleet = Fleet(8, MaxConcurrency=asked).delivered()
    assert (len(fleet.ran), fleet.most) == (8, most)


@pytest.mark.parametrize(("asked", "ran"), [("0", 1), ("2", 3), ("10%", 2), ("100%", 10)])
def test_one_failure_more_than_allowed_and_no_other_begins(asked, ran):
    fleet = Fleet(10, failing=[f"i-{index}" for index in range(10)], MaxConcurrency="1", MaxErrors=asked).delivered()
    assert len(fleet.ran) == ran
    assert list(fleet.told.values()) == [record.LEFT_OUT] * (10 - ran)


def test_an_agent_that_comes_in_time_is_waited_for_and_one_that_does_not_is_given_up():
    began, late = time.monotonic(), {"i-0": 0.05, "i-1": 60}
    fleet = Fleet(2, online=lambda one: time.monotonic() - began > late[one], delivery_seconds=0.5).delivered()
    assert fleet.ran == ["i-0"]
    assert fleet.told == {"i-1": record.UNDELIVERED}


def test_what_is_cancelled_before_it_begins_does_not_begin():
    fleet = Fleet(2)
    fleet.delivery.cancel("i-1")
    fleet.delivered()
    assert (fleet.ran, fleet.told) == (["i-0"], {"i-1": record.CANCELLED})


def kept(*details, **asked):
    """A command whose instances ended so."""
    statuses = {"ExecutionTimedOut": "TimedOut", "DeliveryTimedOut": "TimedOut", "Terminated": "Cancelled"}
    found = {
        str(index): {"Status": statuses.get(one, one), "StatusDetails": one} for index, one in enumerate(details[:-1])
    }
    command = {"Invocations": {**found, "last": {**record.PENDING}}, **asked}
    record.change(command, "last", {"Status": statuses.get(details[-1], details[-1]), "StatusDetails": details[-1]})
    return command["Status"], command["StatusDetails"]


def test_a_command_is_what_its_instances_are_together():
    assert kept("Success", "Success") == ("Success", "Success")
    assert kept("Success", "InProgress") == ("InProgress", "InProgress")
    assert kept("Success", "Cancelling") == ("Cancelling", "Cancelling")
    assert kept("Success", "Failed") == ("Failed", "Failed")
    assert kept("Success", "Failed", MaxErrors="1") == ("Failed", "Incomplete")
    assert kept("Failed", "Terminated") == ("Failed", "Failed")
    assert kept("Success", "ExecutionTimedOut") == ("TimedOut", "ExecutionTimedOut")
    assert kept("Success", "Cancelled") == ("Cancelled", "Cancelled")
    assert kept("DeliveryTimedOut") == ("TimedOut", "DeliveryTimedOut")
    assert kept("Success", "DeliveryTimedOut") == ("Failed", "Incomplete")


def test_what_has_ended_is_not_cancelled():
    command = {"Invocations": {"one": {**SUCCESS}}}
    record.change(command, "one", {"Status": "Cancelling", "StatusDetails": "Cancelling"})
    assert command["Invocations"]["one"] == SUCCESS
