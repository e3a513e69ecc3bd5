"""A broken and a slow model rolled out while clients ask: their metrics set off an alarm, and it takes them back."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from tests.embedded import RATE, fresh
from tests.local.test_rollouts import blue_green, rolling

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scaling")]
CLIENTS = 4
# Two seconds of ours for each step: an alarm needs a minute that is over, which is a fifth of one.
WAIT = 2 * RATE
SLOW_SECONDS = 0.5
ROLLOUTS = {
    "all at once": lambda alarms: blue_green(wait=WAIT, alarms=alarms),
    "canary": lambda alarms: blue_green("CANARY", 50, wait=WAIT, alarms=alarms),
    "linear": lambda alarms: blue_green("LINEAR", 50, wait=WAIT, alarms=alarms),
    "rolling": lambda alarms: rolling(50, wait=WAIT, alarms=alarms),
}


@dataclass
class Clients:
    """They ask without a pause and count, while `phase` lasts, who answered."""

    embedded: object
    endpoint: str
    phase: str = "before"
    answers: dict[str, Counter] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        while not self._over.wait(0.02):
            phase = self.phase
            try:
                who = self.embedded.ask(self.endpoint)["model"]
            except ClientError as error:
                who = error.response["Error"]["Code"]
            self.answers.setdefault(phase, Counter())[who] += 1

    def count(self, phase, number):
        self.phase = phase
        deadline = time.monotonic() + 20
        while sum(self.answers.get(phase, {}).values()) < number:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.02)


def alarm(fast, endpoint, metric, statistic, threshold):
    name = fresh("alarm")
    fast.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "variant-0"}],
        Period=60,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        **statistic,
    )
    return name


def rolled_out(fast, deployment, watched, **behaviour):
    """The description when all is over, the alarm's name, and the counts."""
    endpoint = fast.endpoint(fast.config(fast.model(name="old"), count=2))
    assert fast.settled(endpoint)["EndpointStatus"] == "InService"
    watch = alarm(fast, endpoint, *watched)
    with Clients(fast, endpoint) as clients:
        clients.count("before", 20)
        clients.phase = "during"
        update_to(fast, endpoint, deployment([watch]), behaviour)
        found = fast.settled(endpoint)
        # Whoever asked before the end may be answered after it.
        clients.count("at the end", 2 * CLIENTS)
        clients.count("after", 40)
    print(clients.answers)
    return found, watch, clients.answers


def update_to(fast, endpoint, deployment, behaviour):
    config = fast.config(fast.model(name="new", **behaviour), count=2)
    fast.client("sagemaker").update_endpoint(
        EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment
    )


ERRORS = ("Invocation5XXErrors", {"Statistic": "Sum"}, 0)
LATENCY = ("ModelLatency", {"ExtendedStatistic": "p99"}, SLOW_SECONDS * 1e6 / 2)


def was_taken_back(found, watch, answers):
    assert (found["EndpointStatus"], f"The alarm {watch} was in ALARM" in found["FailureReason"]) == ("InService", True)
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert answers["before"].keys() == answers["after"].keys() == {"old"}


@pytest.mark.parametrize("kind", ROLLOUTS)
def test_a_broken_model_is_taken_back(fast, kind):
    found, watch, answers = rolled_out(fast, ROLLOUTS[kind], ERRORS, status=500)
    was_taken_back(found, watch, answers)
    assert answers["during"].keys() == {"old", "ModelError"}


@pytest.mark.parametrize("kind", ROLLOUTS)
def test_a_slow_model_is_taken_back(fast, kind):
    found, watch, answers = rolled_out(fast, ROLLOUTS[kind], LATENCY, sleep=SLOW_SECONDS)
    was_taken_back(found, watch, answers)
    assert answers["during"].keys() == {"old", "new"}


@pytest.mark.parametrize("kind", ROLLOUTS)
def test_a_good_model_takes_over_without_a_failed_request(fast, kind):
    found, _, answers = rolled_out(fast, ROLLOUTS[kind], ERRORS)
    assert (found["EndpointStatus"], "FailureReason" in found) == ("InService", False)
    assert sum(answers.values(), Counter()).keys() == {"old", "new"}
    assert answers["after"].keys() == {"new"}
