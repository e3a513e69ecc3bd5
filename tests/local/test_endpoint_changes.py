"""When an endpoint may be changed, in the test's own process: of two changes that come at once, one is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from local.authority import ServiceAuthority
from local.json_service import AwsError, Call, JsonService
from local.records import Scope
from local.sagemaker import endpoints, fleet
from local.sagemaker.capacity import Capacity
from local.sagemaker.control_plane import hosting_service
from local.sagemaker.endpoints import Endpoints

SCOPE = Scope("000000000000", "us-east-1")
VARIANT = {"VariantName": "only", "ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
UPDATE = {"EndpointConfigName": "config"}
WEIGHTS = {"DesiredWeightsAndCapacities": [{"VariantName": "only", "DesiredWeight": 2.0}]}
CHANGES = [("UpdateEndpoint", UPDATE), ("UpdateEndpointWeightsAndCapacities", WEIGHTS)]


def slowly(look):
    """Long enough between looking and writing for another call to look as well."""

    def after_a_while(*arguments):
        time.sleep(0.1)
        return look(*arguments)

    return after_a_while


@dataclass(frozen=True)
class Hosting:
    """SageMaker's hosting with a config, whose endpoints do nothing behind the answer."""

    service: JsonService
    endpoints: Endpoints

    def outcome(self, operation, **params):
        try:
            self.service.call(Call(operation, {"EndpointName": "shared", **params}, SCOPE, ServiceAuthority()))
        except AwsError as error:
            return error.message
        return "done"

    def at_once(self, *calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            return sorted(pool.map(lambda one: self.outcome(one[0], **one[1]), calls))

    def in_service(self):
        assert self.outcome("CreateEndpoint", **UPDATE) == "done"
        with self.service.records.edit(SCOPE, "Endpoint", "shared") as endpoint:
            endpoint["EndpointStatus"] = "InService"


@pytest.fixture
def hosting(monkeypatch):
    service = hosting_service()
    service.records.put(SCOPE, "Model", "model", {"ModelName": "model"})
    service.records.put(SCOPE, "EndpointConfig", "config", {"ProductionVariants": [VARIANT]})
    monkeypatch.setattr(Endpoints, "_behind", lambda *arguments: None)
    for name in ("refuse_missing", "_refuse_capacity"):
        monkeypatch.setattr(endpoints, name, slowly(getattr(endpoints, name)))
    unused = SimpleNamespace()
    return Hosting(service, Endpoints(service, unused, lambda *arguments: False, unused, unused, Capacity(2**40)))


def test_of_two_creations_under_one_name_one_is_refused(hosting):
    said = hosting.at_once(("CreateEndpoint", UPDATE), ("CreateEndpoint", UPDATE))
    assert said[0].startswith("Cannot create already existing endpoint")
    assert said[1] == "done"


@pytest.mark.parametrize("second", CHANGES)
@pytest.mark.parametrize("first", CHANGES)
def test_of_two_changes_of_an_endpoint_one_is_refused(hosting, first, second):
    hosting.in_service()
    said = hosting.at_once(first, second)
    assert said[0].startswith("Cannot update in-progress endpoint")
    assert said[1] == "done"


@pytest.mark.parametrize(("operation", "params"), [*CHANGES, ("DeleteEndpoint", {})])
def test_endpoint_on_its_way_after_a_restart_takes_no_change(hosting, operation, params):
    hosting.in_service()
    hosting.endpoints.resume()
    assert hosting.service.records.get(SCOPE, "Endpoint", "shared")["EndpointStatus"] == "SystemUpdating"
    assert hosting.outcome(operation, **params).startswith("Cannot update in-progress endpoint")


def test_what_an_update_took_down_is_launched_once_when_it_comes_back(hosting, monkeypatch):
    """By the way back alone, though the watch sees an instance missing meanwhile."""
    monkeypatch.setattr(fleet, "WATCH_EVERY_SECONDS", 0.01)

    def launch():
        time.sleep(0.2)
        return SimpleNamespace(name="new", process=None, alive=lambda: True, drain=lambda _: None, stop=lambda: None)

    serving = fleet.Fleet({"only": fleet.VariantFleet("only", launch, 1.0)})
    key = endpoints._key(SCOPE, "shared")
    hosting.endpoints._fleets[key] = serving
    hosting.endpoints._shifts[key] = endpoints.Shift({}, 0.0, fleet=SimpleNamespace(stop=lambda: None))
    hosting.endpoints.launcher.launches = SimpleNamespace(closed=False)
    serving.watch()
    hosting.endpoints._move_back(SCOPE, "shared", {"only": 1})
    time.sleep(0.3)
    assert len(serving.variants["only"].instances) == 1
    serving.stop()
