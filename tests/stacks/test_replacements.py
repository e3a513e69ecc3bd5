"""What is replaced when the stage file changes: models and configurations are, the endpoint under its name is not."""

import copy
import re

import pytest

from tests import synth
from tests.stacks import variants
from tests.stacks.replacements import changes, fixed

pytestmark = pytest.mark.xdist_group("synth")
ARTIFACT = f"models/{'ab' * 32}/model.tar.gz"
GIVEN = "111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:{}"
MODELS = {"HostingModel", "BatchModel", "HostingConfig"}
# A change, what another resource takes the place of, and what stays and takes the change.
CHANGES = {
    "instance type": (
        {"serving__instance_type": "ml.c5.xlarge"},
        {"HostingConfig"},
        {"HostingEndpoint"},
    ),
    "model": ({"model__artifact": ARTIFACT}, MODELS, {"HostingEndpoint", "LiveModelRecord"}),
    "captures": ({"serving__capture_percent": 20}, {"HostingConfig"}, {"HostingEndpoint"}),
    "rollout": ({"serving__rollout": {"kind": "all-at-once", "wait_seconds": 60}}, set(), {"HostingEndpoint"}),
    "scaling": ({"serving__scaling__max_instances": 3}, set(), {"ScalingTrackingTarget"}),
    "target": (
        {"serving__scaling__target_invocations_per_minute": 900.0},
        set(),
        {"ScalingTrackingPolicy"},
    ),
    "version alone": ({"model__version": "9"}, set(), {"LiveModelRecord"}),
}


def plain(names):
    return {re.sub(r"[0-9A-F]{8}$", "", name) for name in names}


@pytest.mark.parametrize("change", CHANGES)
def test_change_replaces_what_it_must_and_the_endpoint_never(change):
    settings, replaced, updated = CHANGES[change]
    found = changes(synth.templates("dev")["serving"], variants.rooms(**settings)["serving"])
    assert tuple(map(plain, found)) == (replaced, updated)


def test_changed_code_is_another_image_and_replaces_the_models():
    before = synth.templates("dev")["serving"]
    after = copy.deepcopy(before)
    after["Resources"]["Image"]["Properties"]["Tag"] = "of-other-sources"
    replaced, updated = changes(before, after)
    assert (plain(replaced), plain(updated)) == (MODELS, {"HostingEndpoint", "Image"})


def test_another_given_image_replaces_the_models():
    before, after = (variants.rooms(image__source="uri", image__uri=GIVEN.format(tag))["serving"] for tag in ("1", "2"))
    replaced, updated = changes(before, after)
    assert (plain(replaced), plain(updated)) == (MODELS, {"HostingEndpoint"})


def test_the_schemas_say_what_cannot_change():
    assert fixed("AWS::SageMaker::Endpoint") == {"EndpointName"}
    assert "ProductionVariants" in fixed("AWS::SageMaker::EndpointConfig")
