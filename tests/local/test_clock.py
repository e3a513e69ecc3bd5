"""The clock that may run faster."""

import pytest

from local import control
from local.clock import Clock
from local.home import LocalError


class Machine:
    time = 1000.0

    def __call__(self):
        return self.time


def test_clock_runs_as_much_faster_as_it_is_told():
    machine = Machine()
    clock = Clock(60, machine)
    machine.time += 2
    assert clock.now() == 1000 + 120
    assert clock.pause(30) == 0.5
    assert clock.at(machine.time - 1) == 1000 + 60


def test_clock_that_ran_ahead_does_not_go_back_over_a_restart():
    machine = Machine()
    fast = Clock(60, machine)
    machine.time += 10
    slow = Clock(1, machine)
    slow.load_persisted_state(fast.get_state())
    assert slow.now() == 1600
    machine.time += 5
    assert slow.now() == 1605


def test_clock_that_kept_the_machines_time_still_does_after_a_rest():
    machine = Machine()
    saved = Clock(1, machine).get_state()
    machine.time += 500
    after = Clock(1, machine)
    after.load_persisted_state(saved)
    assert after.now() == 1500


def test_forgetting_everything_sets_it_to_the_machines_time():
    machine = Machine()
    clock = Clock(60, machine)
    machine.time += 10
    clock.reset()
    assert clock.now() == 1010


@pytest.mark.parametrize("rate", [0, 0.5, 601])
def test_rate_that_cannot_be_kept_is_refused_in_a_sentence(tmp_path, rate):
    with pytest.raises(LocalError, match="give --clock a number from 1 to 600"):
        control.start(state=tmp_path / "aws", port=0, clock=rate)
