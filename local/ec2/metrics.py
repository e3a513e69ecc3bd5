"""What EC2 publishes of an instance: how busy its processes keep the machine, every five minutes."""

import os

from local import joints_cloudwatch, process_group
from local.clock import Clock
from local.ec2.machines import Machines

NAMESPACE, METRIC = "AWS/EC2", "CPUUtilization"
PERIOD_SECONDS = 300.0


class MachineMetrics:
    """Looked at more often than published: what ended in between took its time along."""

    def __init__(self, machines: Machines, clock: Clock) -> None:
        self._machines, self._clock = machines, clock
        self._seen: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._period = clock.now() // PERIOD_SECONDS * PERIOD_SECONDS

    def publish(self) -> None:
        running = self._machines.running()
        # What a process has taken is its parent's once it has ended, so that the sum stays. One whose parent is not of
        # the instance, a command of the agent's, takes its time along.
        seen = {one.identity: sum(map(process_group.processor_seconds, one.processes())) for one in running}
        for identity, seconds in seen.items():
            spent = max(0.0, seconds - self._seen.get(identity, 0.0))
            self._used[identity] = self._used.get(identity, 0.0) + spent
        self._seen = seen
        now = self._clock.now()
        if now < self._period + PERIOD_SECONDS:
            return
        # A second of a process is one of this machine's, of which fewer pass where the clock runs ahead.
        passed = self._clock.pause(now - self._period) * (os.cpu_count() or 1)
        for machine in running:
            percent = min(100.0, 100.0 * self._used.get(machine.identity, 0.0) / passed)
            dimensions = {"InstanceId": machine.identity}
            joints_cloudwatch.publish(
                machine.place, NAMESPACE, METRIC, "Percent", dimensions, self._period, {percent: 1}
            )
        self._used, self._period = {}, now // PERIOD_SECONDS * PERIOD_SECONDS
