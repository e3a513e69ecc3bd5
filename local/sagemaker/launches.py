"""Every instance that was started: a stop must find those too that no fleet knows yet, and nothing may follow it."""

import threading

from local.sagemaker.instance import Instance, LaunchFailed


class Launches:
    """The one place where instances start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: list[Instance] = []
        self.closed = False

    def start(self, instance: Instance) -> None:
        # Under the lock, so that an instance either is seen by `close` or does not start.
        with self._lock:
            if self.closed:
                raise LaunchFailed("The embedded AWS is stopping.")
            self._started = [one for one in self._started if one.alive()]
            self._started.append(instance)
            instance.start()

    def close(self) -> list[Instance]:
        """From here on none starts; the answer is what runs, healthy or not yet."""
        with self._lock:
            self.closed = True
            return [one for one in self._started if one.alive()]
