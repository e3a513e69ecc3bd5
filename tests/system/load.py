"""Clients that go on predicting while something else happens, and the count of what they were told.

with Load(deployed) as load: deploy(); then load.answers
"""

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from tests.system.deployed import Deployed

CLIENTS = 3
# All clients together stay below the throttle of stage local's API, whose 429 would be an answer of its own.
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Told:
    """One request: when it was made, and its answer; status 0 where there was none."""

    began: float
    seconds: float
    status: int
    text: str

    @property
    def failed(self) -> bool:
        return self.status != 200


@dataclass
class Load:
    deployed: Deployed
    answers: list[Told] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        api_id = str(urlsplit(self.deployed.outputs(self.deployed.api)["Url"]).hostname).split(".")[0]
        image = self.deployed.sample.read_bytes()
        for _ in range(CLIENTS):
            thread = threading.Thread(target=self._client, args=(f"{api_id}.execute-api.localhost", image))
            thread.start()
            self._threads.append(thread)
        self.until(CLIENTS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _client(self, host: str, image: bytes) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            began = time.monotonic()
            status, text = self._ask(host, image)
            self.answers.append(Told(began, time.monotonic() - began, status, text))

    def _ask(self, host: str, image: bytes) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.deployed.running.facts.http_port, timeout=35)
        try:
            connection.request("POST", "/predict", body=image, headers={"Host": host, "Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def until(self, more: int, seconds: float = 30) -> None:
        """Until so many further requests have been answered."""
        wanted, deadline = len(self.answers) + more, time.monotonic() + seconds
        while len(self.answers) < wanted:
            assert time.monotonic() < deadline, f"{len(self.answers)} of {wanted} answers within {seconds:g} s"
            time.sleep(0.05)

    def between(self, begin: float, end: float = float("inf")) -> list[Told]:
        """The answers to what was asked in this time."""
        return [one for one in self.answers if begin <= one.began < end]

    def failures(self) -> Counter[str]:
        return Counter(f"{one.status}: {one.text[:300]}" for one in self.answers if one.failed)
