"""One visit to one server: started, checked, put under its loads one after another, weighed, and taken away."""

import base64
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from bench.programs import ROOT
from bench.serve.models import Models, label_of
from bench.serve.pictures import Picture
from bench.serve.processes import ServerError, Tree, free_port, running
from bench.serve.systems import INT8, Launch, Machine, Tuning

ONE, MANY, LARGE, OVERLOAD = "one", "many", "large", "overload"
LOADS = (ONE, MANY, LARGE, OVERLOAD)
CLIENTS = {ONE: 1, MANY: 16, LARGE: 4}
OVERLOAD_FACTOR = 10
PINGS_PER_SECOND = 20
START_LIMIT_SECONDS = 90.0
POLL_SECONDS = 0.01
OK, TOO_MANY = 200, 429
REFUSED_WITHIN_MS = 1000
"""A 429 that comes later went to a request that had been let in."""


def quantile(values: list[float], share: float) -> float:
    """The smallest of the values that at least that share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)] if ordered else float("nan")


@dataclass(frozen=True)
class Sample:
    """What a client saw under one load."""

    seconds: float
    statuses: dict[int, list[float]]
    """HTTP status -> milliseconds of each request that was answered so; 0 where the connection broke."""
    server_cpu_seconds: float
    client_cpu_seconds: float
    sent: int = 0
    lost: int = 0
    """At a fixed pace: how many were due, and of how many nothing was heard."""
    ms: dict[str, float] = field(default_factory=dict)
    """Medians of what the server's own log says of its steps, where it says so."""

    @property
    def answered(self) -> list[float]:
        return self.statuses.get(OK, [])

    @property
    def per_second(self) -> float:
        return len(self.answered) / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return len(self.answered) / self.server_cpu_seconds if self.server_cpu_seconds else float("nan")

    @property
    def p50(self) -> float:
        return quantile(self.answered, 0.5)

    @property
    def p95(self) -> float:
        return quantile(self.answered, 0.95)

    @property
    def accepted_and_answered(self) -> float:
        """Of those that were not refused with 429 at once, the share that got what they asked for."""
        refused = len([ms for ms in self.statuses.get(TOO_MANY, []) if ms <= REFUSED_WITHIN_MS])
        accepted = sum(map(len, self.statuses.values())) - refused + self.lost
        return len(self.answered) / accepted if accepted else float("nan")

    def as_json(self) -> dict[str, Any]:
        return {
            "requests_per_second": self.per_second,
            "p50_ms": self.p50,
            "p95_ms": self.p95,
            "p99_ms": quantile(self.answered, 0.99),
            "refused_p50_ms": quantile(self.statuses.get(TOO_MANY, []), 0.5),
            "answers": {str(status): len(found) for status, found in sorted(self.statuses.items())},
            "sent": self.sent,
            "lost": self.lost,
            "server_cpu_seconds": self.server_cpu_seconds,
            "client_cpu_seconds": self.client_cpu_seconds,
            "server_log_ms": self.ms,
        }


@dataclass(frozen=True)
class Visit:
    tuning: Tuning
    start_seconds: float
    """From the start of the process to the first prediction."""
    resident_mib: float
    """After the loads."""
    agreement: float
    """Of the bench's pictures, the share that got the label it should."""
    samples: dict[str, Sample]
    pings: Sample | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "system": self.tuning.system,
            "tuning": self.tuning.name,
            "start_seconds": self.start_seconds,
            "resident_mib": self.resident_mib,
            "agreement": self.agreement,
            "loads": {load: sample.as_json() for load, sample in self.samples.items()},
            "pings_under_overload": None if self.pings is None else self.pings.as_json(),
        }


@dataclass(frozen=True)
class Pace:
    seconds: float
    warm_up: float


def visit(machine: Machine, tuning: Tuning, models: Models, loads: list[str], pace: Pace) -> Visit:
    """Every load in turn on one process; its folder and everything it started are gone afterwards."""
    with tempfile.TemporaryDirectory(dir=models.served.parent, prefix="run-") as temporary:
        folder = Path(temporary)
        launch = machine.launch(tuning, models, folder)
        log = folder / "log"
        started = time.perf_counter()
        with running(launch.command, launch.environment, folder, log) as tree:
            first_answer(tree, launch, models.small[0].jpeg, log)
            start_seconds = time.perf_counter() - started
            agreement = check_answers(tuning, launch.port, models)
            samples: dict[str, Sample] = {}
            pings = None
            for load in loads:
                if load == OVERLOAD:
                    rate = max(1.0, OVERLOAD_FACTOR * samples[MANY].per_second)
                    samples[load], pings = overload(tree, launch.port, models.small, rate, pace=pace, log=log)
                else:
                    asked = models.large if load == LARGE else models.small
                    order = request_order(launch.port, asked, pace, clients=CLIENTS[load])
                    samples[load] = measure(order, tree, log)
                if not tree.pids():
                    raise ServerError(f"{tuning.name} ended by itself; its last words:\n{last_words(log)}")
            return Visit(tuning, start_seconds, tree.resident_mib(), agreement, samples, pings)


def first_answer(tree: Tree, launch: Launch, jpeg: bytes, log: Path) -> None:
    """Ask until there is a prediction."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and tree.pids():
        try:
            if ask(launch.port, jpeg)[0] == OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(POLL_SECONDS)
    raise ServerError(f"no prediction within {START_LIMIT_SECONDS:.0f} s; its last words:\n{last_words(log)}")


def last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def ask(port: int, jpeg: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT_SECONDS)
    try:
        headers = {"Content-Type": "image/jpeg", "Accept": "application/json"}
        connection.request("POST", "/invocations", jpeg, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def check_answers(tuning: Tuning, port: int, models: Models) -> float:
    """A server that answers something else does not take part; 8 bits may differ, and the share is told."""
    asked = [*models.small, *models.large]
    right = 0
    for picture in asked:
        status, answer = ask(port, picture.jpeg)
        found = label_in(json.loads(answer)) if status == OK else f"status {status}"
        right += found == picture.label
        if found != picture.label and tuning.system != INT8:
            raise ServerError(f"{tuning.name} answers {found} where {picture.label} is right: {answer[:200]!r}")
    return right / len(asked)


def label_in(answer: Any) -> str:  # noqa: ANN401 (JSON of several servers)
    """Ours names labels, the handlers give a list of logits."""
    if isinstance(answer, dict):
        return str(answer["predictions"][0]["label"])
    return label_of(max(range(len(answer)), key=answer.__getitem__))


def request_order(port: int, asked: list[Picture], pace: Pace, **more: float) -> dict[str, Any]:
    return {
        "port": port,
        "method": "POST",
        "path": "/invocations",
        "bodies": [base64.b64encode(picture.jpeg).decode() for picture in asked],
        "seconds": pace.seconds,
        "warm_up": pace.warm_up,
        **more,
    }


def measure(order: dict[str, Any], tree: Tree, log: Path) -> Sample:
    """Let a client run, reading the server's processor time and log at the beginning and the end of its measure."""
    return collect(start_client(order), tree, log)


def start_client(order: dict[str, Any]) -> "subprocess.Popen[str]":
    client = subprocess.Popen(
        [sys.executable, "-m", "bench.serve.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with cast(IO[str], client.stdin) as told:
        told.write(json.dumps(order))
    return client


def collect(client: "subprocess.Popen[str]", tree: Tree | None, log: Path | None) -> Sample:
    """What a client has to say when it ends."""
    marks: list[tuple[float, int]] = []
    said = ""
    try:
        for line in cast(IO[str], client.stdout):
            if line.strip() in {"begin", "end"}:
                cpu = tree.cpu_seconds() if tree else 0.0
                marks.append((cpu, log.stat().st_size if log else 0))
            else:
                said = line
    finally:
        end_client(client)
    if not said:
        raise ServerError("the client ended without a result")
    found = json.loads(said)
    (cpu_before, log_before), (cpu_after, log_after) = marks
    return Sample(
        seconds=found["seconds"],
        statuses={int(status): ms for status, ms in found["statuses"].items()},
        server_cpu_seconds=cpu_after - cpu_before,
        client_cpu_seconds=found["client_cpu_seconds"],
        sent=found.get("sent", 0),
        lost=found.get("lost", 0) + found.get("not_sent", 0),
        ms=log_medians(log, log_before, log_after) if log else {},
    )


def end_client(client: "subprocess.Popen[str]") -> None:
    client.kill()
    client.wait()
    cast(IO[str], client.stdout).close()


def log_medians(log: Path, start: int, end: int) -> dict[str, float]:
    """Medians of each step in the lines that our server wrote meanwhile."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read(end - start).splitlines()
    steps: dict[str, list[float]] = {}
    for line in lines:
        try:
            facts = json.loads(line)
            if facts["event"] != "request" or facts["status"] != OK:
                continue
            for step, ms in {**facts["ms"], "total": facts["total_ms"]}.items():
                steps.setdefault(step, []).append(ms)
        except (ValueError, KeyError, TypeError):
            continue  # another server's log, or half a line
    return {step: statistics.median(found) for step, found in steps.items()}


def overload(
    tree: Tree, port: int, asked: list[Picture], rate: float, *, pace: Pace, log: Path
) -> tuple[Sample, Sample]:
    """Ten times as much as it can do, at a fixed pace; and pings from a client of their own meanwhile."""
    pings = start_client(
        {**request_order(port, [], pace, rate=PINGS_PER_SECOND), "method": "GET", "path": "/ping", "bodies": [""]}
    )
    try:
        loaded = measure(request_order(port, asked, pace, rate=rate), tree, log)
    except BaseException:
        end_client(pings)
        raise
    return loaded, collect(pings, None, None)


def ceiling(asked: list[Picture], clients: int, say: Callable[[str], None]) -> float:
    """How many requests a second the client manages against a server that does nothing."""
    say("the client's own ceiling")
    port = free_port()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "bench.serve.nothing", str(port)]
        with running(command, {"PYTHONPATH": str(ROOT)}, ROOT, folder / "log") as tree:
            launch = Launch(command, {}, port)
            first_answer(tree, launch, asked[0].jpeg, folder / "log")
            sample = measure(request_order(port, asked, Pace(1.0, 0.3), clients=clients), tree, folder / "log")
    return sample.per_second
