"""What is left to do for another instance type or a variant less, wherever an earlier run was interrupted."""

import tomllib

import pytest

from config.load import FOLDER
from ops.errors import OperatorError
from ops.models import before
from ops.models.before import Before
from ops.models.live import Live, Served
from ops.models.resize_plan import Wanted, planned
from ops.models.resizing import refuse_what_was_never_there
from ops.models.stage_file import with_instance_type, with_scaling_paused
from tests.ops.stubbed import scripted

TEXT = (FOLDER / "local.toml").read_text()
OLD, NEW = "ml.m5.large", "ml.c5.xlarge"
OTHER = '\n[[serving.variants]]\nname = "challenger"\nartifact = "starter"\nversion = "starter"\nweight_percent = 10\n'
WITH_OTHER = TEXT.replace("\n# [serving.serverless]", f"{OTHER}\n# [serving.serverless]", 1)


def serving(kind=OLD, *variants):
    served = [Served(name, "starter", 0.5, kind) for name in ("primary", *variants)]
    return Live("endpoint", "config", "InService", "", tuple(served))


def deployed_by(step):
    found = tomllib.loads(step.text)["serving"]
    return found["instance_type"], found["scaling"].get("paused", False)


CHANGE = Wanted(NEW, None)


@pytest.mark.parametrize(
    ("text", "kind", "scaled", "steps", "as_deployed"),
    [
        (TEXT, OLD, True, [(OLD, True), (NEW, False)], (OLD, False)),
        (with_scaling_paused(TEXT), OLD, True, [(OLD, True), (NEW, False)], (OLD, False)),
        (with_scaling_paused(TEXT), OLD, False, [(NEW, False)], (OLD, True)),
        (with_instance_type(TEXT, NEW), OLD, False, [(NEW, False)], (OLD, True)),
        (with_instance_type(TEXT, NEW), NEW, False, [(NEW, False)], (NEW, True)),
        (with_instance_type(TEXT, NEW), NEW, True, [], (NEW, False)),
        # Somebody wrote it by hand, and the deploy was refused.
        (with_instance_type(TEXT, NEW), OLD, True, [(OLD, True), (NEW, False)], (OLD, False)),
    ],
    ids=["fresh", "paused in the file", "paused", "changed in the file", "changed", "done", "by hand"],
)
def test_the_same_command_goes_on(text, kind, scaled, steps, as_deployed):
    plan = planned(text, CHANGE, serving(kind), scaled=scaled)
    assert [deployed_by(one) for one in plan.steps] == steps
    found = tomllib.loads(plan.as_deployed)["serving"]
    assert (found["instance_type"], found["scaling"].get("paused", False)) == as_deployed


def test_a_fixed_fleet_needs_one_deploy():
    fixed = TEXT.replace("[serving.scaling]\nenabled = true ", "[serving.scaling]\nenabled = false", 1)
    plan = planned(fixed, CHANGE, serving(), scaled=False)
    assert [deployed_by(one) for one in plan.steps] == [(NEW, False)]
    assert plan.steps[0].title == f"Instance type {NEW}"


def variants_of(step):
    found = tomllib.loads(step.text)["serving"]
    return [one["name"] for one in found.get("variants", [])], found["scaling"].get("paused", False)


def test_a_variant_stays_while_its_scaling_goes():
    plan = planned(WITH_OTHER, Wanted(None, "challenger"), serving(OLD, "challenger"), scaled=True)
    assert [variants_of(one) for one in plan.steps] == [(["challenger"], True), ([], False)]
    after = planned(plan.steps[1].text, Wanted(None, "challenger"), serving(), scaled=True)
    assert after.steps == []


def test_a_variant_that_somebody_took_out_of_the_file_is_asked_back():
    with pytest.raises(OperatorError, match="challenger is live and not in the stage file any more: put its section"):
        planned(TEXT, Wanted(None, "challenger"), serving(OLD, "challenger"), scaled=True)


def test_the_first_variant_stays():
    with pytest.raises(OperatorError, match="primary is the first variant"):
        planned(TEXT, Wanted(None, "primary"), serving(), scaled=True)


WITHOUT = Wanted(None, "challenger")


def test_a_variant_that_never_was_is_refused_by_name_with_those_that_are():
    with pytest.raises(OperatorError, match=r"^endpoint has no variant challenger; it has primary, b\.$"):
        refuse_what_was_never_there(TEXT, None, WITHOUT, serving(OLD, "b"))
    with pytest.raises(OperatorError, match=r"it was never deployed: take its section out there\.$"):
        refuse_what_was_never_there(WITH_OTHER, None, WITHOUT, serving())


def test_a_variant_that_this_command_removed_is_known_and_so_is_one_it_was_about_to_remove(monkeypatch, tmp_path):
    monkeypatch.setattr(before, "FOLDER", tmp_path)
    note = Before(scripted(monkeypatch)[0])
    assert note.of(TEXT) is None
    pause, removal = planned(WITH_OTHER, WITHOUT, serving(OLD, "challenger"), scaled=True).steps
    note.keep(WITH_OTHER, pause.text)
    note.keep(pause.text, removal.text)
    note.keep(removal.text, removal.text)
    # Interrupted while the removal was deployed: the file has no such variant, and the endpoint still does.
    again = planned(note.of(removal.text), WITHOUT, serving(OLD, "challenger"), scaled=False)
    assert again.steps == [removal]
    assert variants_of(pause) == (["challenger"], True)
    assert again.as_deployed == pause.text
    refuse_what_was_never_there(removal.text, note.of(removal.text), WITHOUT, serving())
    assert note.of(f"{removal.text}# a person's") is None
