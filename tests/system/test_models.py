"""Models on their way to being served and back, in the deployed system."""

import json
import re
import shutil

import pytest

from config import load_stage
from ops import cdk
from ops.account import Account
from ops.models.live import live
from ops.stage import Stage
from tests.operating import operate
from tests.system.deployed import OPERATIONS, SERVING, TRAINING
from tests.system.registered import RUN, folder_of_stage, register

pytestmark = pytest.mark.xdist_group("deployed")


@pytest.fixture(scope="module")
def registry(deployed):
    """Without versions before and after."""
    yield deployed
    sagemaker, group = deployed.root.client("sagemaker"), deployed.outputs(TRAINING)["ModelGroupName"]
    for one in sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]:
        sagemaker.delete_model_package(ModelPackageName=one["ModelPackageArn"])


def whippet(deployed, *words):
    # The CDK's own look at the templates would take longer than their synthesis.
    return operate(deployed.environment | {"CDK_VALIDATION": "false"}, *words, "--stage", "local")


EVALUATION = {
    "samples": 40,
    "accuracy": 0.9,
    "macro_f1": 0.8,
    "calibration_error": 0.02,
    "uncalibrated": {"loss": 0.4, "calibration_error": 0.05},
    "accuracy_95": [0.8, 0.95],
    "classes": {
        "ring": {"samples": 30, "precision": 1.0, "recall": 0.9, "f1": 0.95},
        "<b>[red]": {"samples": 10, "precision": 0.5, "recall": 0.9, "f1": None},
    },
    "mistakes": [{"is": "ring", "called": "<b>[red]", "pictures": 3}],
}


@pytest.fixture(scope="module")
def version(registry):
    return register(registry, evaluation=EVALUATION, data={"test": 40, "sha256": "d" * 64})


def test_models_are_listed_with_scores_hashes_and_where_they_live(registry, version):
    said = whippet(registry, "models", "--json")
    assert said.status == 0, said.err
    (row,) = [one for one in said.json()["versions"] if one["version"] == version]
    assert (row["accuracy"], row["macro_f1"], row["data_sha256"]) == (0.9, 0.8, "d" * 64)
    assert (row["status"], row["live"], row["run"]) == ("PendingManualApproval", [], "seeded")
    assert said.json()["unregistered"] == {"starter": ["primary", "batch"]}
    assert said.json()["history"][0]["artifact"] == "starter"
    shown = whippet(registry, "models").out
    assert "The starter model is live: primary, batch." in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_card_tells_all_and_its_page_takes_nothing_for_markup(registry, version, tmp_path):
    page = tmp_path / "card.html"
    said = whippet(registry, "show", str(version), "--html", str(page))
    assert said.status == 0, said.err
    for part in ("0.9000 (95 %: 0.8000 to 0.9500) of 40 test pictures", "<b>[red]", "ring called", "runs/seeded"):
        assert part in said.out.replace("run              seeded", "runs/seeded")
    text = page.read_text()
    assert "<b>[red]" not in text
    assert "&lt;b&gt;[red]" in text
    assert "http-equiv" in text
    data = whippet(registry, "show", str(version), "--json").json()
    assert data["per_class"] == EVALUATION["classes"]
    assert data["lineage"]["remark"] == "SageMaker does not remember this run any more"


def test_a_version_that_is_not_there_is_a_sentence(registry, version):
    said = whippet(registry, "show", "99")
    assert (said.status, said.out) == (1, "")
    # Other tests may have registered theirs.
    assert re.search(rf"whippet-local-models has no version 99; it has [\d, ]*\b{version}\b", said.err)


# --- with deploys: half a minute each -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stages(registry, tmp_path_factory):
    """A stage file that commands write; in the end the endpoint is as it was."""
    folder = folder_of_stage(registry, tmp_path_factory.mktemp("stages") / "stages")
    yield folder
    as_it_was(registry, folder)


def stage_of(deployed, folder):
    config, _ = load_stage("local", folder)
    return Stage("local", config, Account("us-east-1", deployed.environment, deployed.running.facts.account), folder)


def as_it_was(deployed, folder):
    if stage_of(deployed, folder).config.serving.instance_type != "ml.m5.large":
        whippet(deployed, "resize", "--instance-type", "ml.m5.large", "--yes", "--stages", str(folder))
    deployed.deploy(stack=SERVING)


def served(deployed):
    return deployed.outputs(SERVING)["ModelVersion"]


@pytest.mark.slow
def test_a_model_is_promoted_gated_forced_and_rolled_back(registry, stages):
    first = register(registry, test={"accuracy": 0.9, "macro_f1": 0.9}, version="first")
    worse = register(registry, test={"accuracy": 0.8, "macro_f1": 0.9}, version="worse")
    at = ("--stages", str(stages))

    said = whippet(registry, "promote", str(first), *at, "--json")
    assert said.status == 0, said.err
    assert "AWS::SageMaker::Model" in said.json()["diff"]
    assert "IAM" not in said.json()["diff"]
    assert said.json()["other_changes"] == []
    assert served(registry) == "starter"
    assert f'version = "{first}"' in (stages / "local.toml").read_text()

    said = whippet(registry, "promote", str(first), *at, "--deploy", "--json")
    assert (said.status, served(registry)) == (0, str(first)), said.err
    assert "endpoint: Updating" in said.err

    before = (stages / "local.toml").read_text()
    said = whippet(registry, "promote", str(worse), *at, "--deploy")
    assert said.status == 5
    assert "accuracy 0.8000 against 0.9000" in said.err
    assert "--force REASON" in said.err
    assert (stages / "local.toml").read_text() == before
    said = whippet(registry, "promote", str(worse), *at, "--deploy", "--force", "smaller, and quick enough")
    assert (said.status, served(registry)) == (0, str(worse)), said.err
    row = whippet(registry, "models", "--json").json()["versions"][0]
    assert (row["status"], row["reason"], row["live"]) == (
        "Approved",
        "smaller, and quick enough",
        ["primary", "batch"],
    )
    assert row["approved_by"].endswith(":root")

    said = whippet(registry, "rollback", *at, "--reason", "it was worse", "--json")
    assert (said.status, said.json()["version"], served(registry)) == (0, str(first), str(first)), said.err
    found = {row["version"]: row["status"] for row in whippet(registry, "models", "--json").json()["versions"]}
    assert (found[worse], found[first]) == ("Rejected", "Approved")
    said = whippet(registry, "rollback", *at)
    assert (said.status, served(registry)) == (0, "starter"), said.err


@pytest.mark.slow
def test_a_promotion_goes_on_where_it_was_interrupted(registry, stages, monkeypatch):
    number = register(registry, version="interrupted")
    at = ("--stages", str(stages), "--deploy")

    def interrupted(*_):
        raise KeyboardInterrupt

    for place in ("ops.models.change.StageChange.diff", "ops.models.change.StageChange.deploy"):
        with monkeypatch.context() as patch:
            patch.setattr(place, interrupted)
            said = whippet(registry, "promote", str(number), *at)
        assert said.status == 130
        assert "The same command goes on" in said.err
        assert served(registry) == "starter"
    said = whippet(registry, "promote", str(number), *at)
    assert (said.status, served(registry)) == (0, str(number)), said.err
    said = whippet(registry, "rollback", "--stages", str(stages))
    assert (said.status, served(registry)) == (0, "starter"), said.err


def scorings(registry):
    """By name; other tests' tunings have some too."""
    found = registry.root.client("sagemaker").list_processing_jobs(NameContains="score-")["ProcessingJobSummaries"]
    return {one["ProcessingJobName"]: one["ProcessingJobStatus"] for one in found}


@pytest.mark.slow
def test_judged_by_other_pictures_the_live_model_is_scored_on_the_new_ones(registry, stages):
    """A processing job under the evaluating step's own role, in the deployed pipeline's own words."""
    s3, samples = registry.root.client("s3"), sorted(registry.sample.parent.glob("*.jpg"))
    for sample in samples:
        s3.upload_file(str(sample), registry.bucket, f"{RUN}-2/data/test/{sample.stem}/one.jpg")
    old = register(registry, version="old")
    assert whippet(registry, "promote", str(old), "--stages", str(stages), "--deploy").status == 0
    evaluation = {"samples": len(samples), "accuracy": 0.5, "macro_f1": 0.5}
    new = register(registry, run=f"{RUN}-2", evaluation=evaluation, version="new", data={"sha256": "e" * 64})
    before = scorings(registry)
    said = whippet(registry, "promote", str(new), "--stages", str(stages))
    assert said.status == 5
    assert f"on the same {len(samples)} test pictures: accuracy 0.5000 against 1.0000" in said.err
    (job,) = scorings(registry).keys() - before.keys()
    assert scorings(registry)[job] == "Completed"
    assert whippet(registry, "promote", str(new), "--stages", str(stages)).status == 5
    assert scorings(registry).keys() - before.keys() == {job}
    assert whippet(registry, "rollback", "--stages", str(stages)).status == 0


@pytest.mark.slow
def test_another_instance_type_takes_two_deploys_and_goes_on_between_them(registry, stages, monkeypatch, tmp_path):
    """One deploy of it is refused, as on AWS."""
    one_step = registry.changed(serving__instance_type="ml.c5.xlarge")
    with pytest.raises(Exception, match="must be deregistered as scalable targets"):
        registry.deploy(one_step, stack=SERVING)
    words = ("resize", "--instance-type", "c5.xlarge", "--stages", str(stages))
    asked = whippet(registry, *words)
    assert asked.status == 1
    assert "1. Pause scaling" in asked.err
    assert "Nobody can be asked here" in asked.err

    from ops.models.change import StageChange  # noqa: PLC0415

    deploy, titles = StageChange.deploy, []

    def once(self, assembly, title):
        titles.append(title)
        if len(titles) > 1:
            raise KeyboardInterrupt
        deploy(self, assembly, title)

    with monkeypatch.context() as patch:
        patch.setattr(StageChange, "deploy", once)
        assert whippet(registry, *words, "--yes").status == 130
    stage = stage_of(registry, stages)
    scaling = registry.root.client("application-autoscaling")

    def targets():
        found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return [one["ResourceId"] for one in found if "whippet-local-" in one["ResourceId"]]

    assert (live(stage).variants[0].instance_type, targets()) == ("ml.m5.large", [])
    said = whippet(registry, *words, "--yes", "--json")
    assert said.status == 0, said.err
    assert said.json()["steps"] == ["Instance type ml.c5.xlarge, then scaling back on"]
    assert live(stage).variants[0].instance_type == "ml.c5.xlarge"
    assert targets() == ["endpoint/whippet-local-realtime/variant/primary"]
    assert "paused = true" not in (stages / "local.toml").read_text().replace("# paused", "#")
    assert whippet(registry, *words, "--yes", "--json").json()["steps"] == []


@pytest.mark.slow
def test_what_else_differs_in_the_checkout_does_not_go_along(registry, stages, tmp_path):
    number = register(registry, version="alone")
    other = tmp_path / "stages"
    shutil.copytree(stages, other)
    text = (other / "local.toml").read_text()
    (other / "local.toml").write_text(text.replace("capture_percent = 100", "capture_percent = 50", 1))
    said = whippet(registry, "promote", str(number), "--stages", str(other), "--deploy", "--json")
    assert said.status == 5
    assert "whippet-local-serving/HostingConfig" in json.loads(said.out)["error"]


CHALLENGER = """[[serving.variants]]
name = "challenger"
artifact = "starter"
version = "starter"
weight_percent = 10

"""


def alarms_of_stacks(deployed):
    """Those that scaling makes for itself have new names each time."""
    found = deployed.root.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {one["AlarmName"] for one in found if not one["AlarmName"].startswith("TargetTracking-")}


@pytest.mark.slow
def test_a_variant_is_taken_away_with_its_scaling_and_its_alarms(registry, stages, tmp_path):
    as_it_was(registry, stages)
    folder = folder_of_stage(
        registry, tmp_path / "stages", **{"[serving.scaling]\n": f"{CHALLENGER}[serving.scaling]\n"}
    )
    before = alarms_of_stacks(registry)
    variants = [{"name": "challenger", "artifact": "starter", "version": "starter", "weight_percent": 10}]
    assembly = registry.changed(serving__variants=variants)
    registry.run_cdk("deploy", SERVING, OPERATIONS, "--exclusively", "--require-approval", "never", assembly=assembly)
    assert [one.variant for one in live(stage_of(registry, folder)).variants] == ["primary", "challenger"]
    assert whippet(registry, "models", "--json").json()["unregistered"]["starter"] == [
        "primary 90%",
        "challenger 10%",
        "batch",
    ]
    said = whippet(registry, "resize", "--remove-variant", "challenger", "--yes", "--stages", str(folder), "--json")
    assert said.status == 0, said.err
    assert len(said.json()["done"]) == 2
    assert [one.variant for one in live(stage_of(registry, folder)).variants] == ["primary"]
    assert (folder / "local.toml").read_text() == (cdk.ROOT / "config" / "local.toml").read_text()
    assert alarms_of_stacks(registry) == before
