"""`ops train`, `tune`, `compare`, `pipeline`, `jobs`, `attach` and `stop` on the deployed stage, as an operator does."""

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.operating import operate
from tests.synth import ROOT
from tests.system.deployed import TRAINING
from training.synthetic import SyntheticSet, write_set

pytestmark = pytest.mark.xdist_group("deployed")
DATASET = "worked"
LABELS = ("blue_circle", "checkerboard")
LATEST_SECONDS = 60
QUICK = ("--set", "epochs=2", "--set", "batch_size=8")


@pytest.fixture(scope="module")
def data(deployed, tmp_path_factory):
    """A small data set in the bucket. Its manifest says too little for intake, so that no run starts by itself."""
    folder, s3 = tmp_path_factory.mktemp("worked"), deployed.root.client("s3")
    write_set(folder, SyntheticSet(train=12, valid=6, test=6, label_noise=0.0, labels=LABELS))
    for picture in sorted(folder.glob("*/*/*")):
        key = f"dataset/{DATASET}/{picture.relative_to(folder)}"
        s3.put_object(Bucket=deployed.bucket, Key=key, Body=picture.read_bytes())
    s3.put_object(Bucket=deployed.bucket, Key=f"dataset/{DATASET}/manifest.json", Body=b"{}")
    return folder


@pytest.fixture(scope="module")
def failed(deployed, data):
    """A job that fails once it runs: its loss is soon no number, which the stage file cannot know."""
    words = ("--data", DATASET, "--set", "learning_rate=1e30", "--json")
    return operate(deployed.environment, "train", "--stage", "local", *words)


@pytest.mark.slow
def test_a_job_that_fails_says_why_with_its_last_words(failed):
    assert failed.status == 4, failed.err
    assert re.search(r"The training job whippet-local-train-\S+ failed: .*the loss became", failed.err)
    assert "The last lines of its log:\n" in failed.err
    assert "failed: " in failed.json()["error"]


@pytest.mark.slow
def test_the_data_set_was_prepared_as_the_pipeline_does_and_is_not_again(deployed, failed):
    assert re.search(r"whippet-local-prepare-\S+: Completed", failed.err)
    again = operate(deployed.environment, "train", "--stage", "local", "--data", DATASET, "--dry-run", "--json")
    assert "Completed" not in again.err
    (test,) = [one for one in again.json()["InputDataConfig"] if one["ChannelName"] == "test"]
    assert re.search(r"/runs/whippet-local-prepare-\S+/data/test/$", test["DataSource"]["S3DataSource"]["S3Uri"])
    assert again.json()["RoleArn"] == deployed.role_arn("TrainRole")


@pytest.mark.slow
def test_jobs_lists_what_ran_of_this_stage_with_its_reason(deployed, failed):
    found = operate(deployed.environment, "jobs", "--stage", "local", "--json").json()
    mine = {one["kind"]: one for one in found if one["name"] in failed.err}
    assert mine["training"]["state"] == "Failed"
    assert "the loss became" in mine["training"]["reason"]
    assert mine["processing"]["state"] == "Completed"
    said = operate(deployed.environment, "jobs", "--stage", "local").out
    assert mine["training"]["name"] in said


@pytest.mark.slow
def test_a_stranger_is_not_stopped(deployed, failed):
    said = operate(deployed.environment, "stop", "nobody", "--stage", "local")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert "Nothing of stage local is called nobody" in said.err


@pytest.mark.slow
def test_what_has_ended_is_not_stopped_again(deployed, failed):
    name = re.search(r"whippet-local-train-\S+?(?= failed)", failed.err)[0]
    assert operate(deployed.environment, "stop", name, "--stage", "local").out == f"{name} had ended already: Failed.\n"


def test_the_pipeline_is_drawn_as_it_is_deployed(deployed, tmp_path):
    words = ("pipeline", "graph", "--stage", "local", "--out", str(tmp_path / "p.svg"), "--json")
    assert operate(deployed.environment, *words).json() == {"picture": str(tmp_path / "p.svg")}
    shown = {node.text for node in ET.parse(tmp_path / "p.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"Prepare", "Tune", "Train", "Evaluate", "Decide", "Register", "Refuse"} <= shown


def test_a_data_set_that_is_not_there_is_a_sentence(deployed, data):
    said = operate(deployed.environment, "pipeline", "run", "--stage", "local", "--data", "nope")
    assert said.status == 1
    assert "Data set nope is not in s3://" in said.err
    assert DATASET in said.err


# --- minutes rather than seconds ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def work(deployed, data, tmp_path_factory):
    """One training on one instance, one on two, and a tuning, each followed to its end."""
    folder = tmp_path_factory.mktemp("plots")
    common = ("--stage", "local", "--data", DATASET, "--json")
    single = operate(deployed.environment, "train", *common, *QUICK)
    several = operate(deployed.environment, "train", *common, *QUICK, "--instances", "2")
    tuned = operate(
        deployed.environment, "tune", *common, "--jobs", "2", "--parallel", "1", "--plot", str(folder / "t.svg"), *QUICK
    )
    for said in (single, several, tuned):
        assert said.status == 0, said.err
    return single, several, tuned


@pytest.mark.slow
def test_a_training_is_followed_to_its_scores_and_its_price(work):
    single, several, _ = (said.json() for said in work)
    assert {"test_accuracy", "test_macro_f1", "best_valid_accuracy"} <= single["metrics"].keys()
    assert single["dollars"] == pytest.approx(0.23 * single["billed_seconds"] / 3600)
    assert several["instance_count"] == 2
    assert several["billed_seconds"] >= 2
    assert "epoch=2" in work[0].err


@pytest.mark.slow
def test_trials_are_told_as_they_end_and_the_best_is_marked(work):
    _, _, tuned = work
    found = tuned.json()
    values = [one["value"] for one in found["trials"]]
    assert len(values) == 2
    assert found["best"]["value"] == max(values)
    assert len(re.findall(r"^  whippet-local-tune-\S+  Completed  best_valid_accuracy", tuned.err, re.MULTILINE)) == 2
    shown = [node.text for node in ET.parse(found["plot"]).iter("{http://www.w3.org/2000/svg}text")]
    assert f"the best: {found['best']['name']}" in shown


@pytest.mark.slow
def test_a_training_begins_from_what_a_tuning_found_best(deployed, work):
    found = work[2].json()
    words = ("--data", DATASET, "--tuned", found["name"], "--dry-run", "--json")
    asked = operate(deployed.environment, "train", "--stage", "local", *words).json()["HyperParameters"]
    assert {name: asked[name] for name in found["best"]["tuned"]} == found["best"]["tuned"]


@pytest.mark.slow
def test_trainings_stand_side_by_side(deployed, work, tmp_path):
    names = [said.json()["name"] for said in work]
    words = ("compare", "--stage", "local", *names, "--report", str(tmp_path / "r.html"))
    rows = operate(deployed.environment, *words, "--json").json()["rows"]
    assert [row["kind"] for row in rows] == ["one instance", "several instances", "tuning's best of 2"]
    assert [len(row["epochs"]) for row in rows] == [2, 2, 2]
    assert rows[2]["dollars"] > rows[0]["dollars"] > 0
    # Its trials saw no test picture: one job has scored the best, when the tuning ended, and no other is started.
    assert all(0 <= row["test_accuracy"] <= 1 and 0 <= row["test_macro_f1"] <= 1 for row in rows)
    scored = rows[2]["held_out"]
    assert scored == work[2].json()["best"]["held_out"]
    assert (scored["accuracy"], scored["macro_f1"]) == (rows[2]["test_accuracy"], rows[2]["test_macro_f1"])
    assert scored["billed_seconds"] > 0
    assert scored["dollars"] == pytest.approx(0.23 * scored["billed_seconds"] / 3600)
    assert (tmp_path / "r.html").read_text().count("<figure>") == 4
    last = operate(deployed.environment, "compare", "--stage", "local", "--json").json()["rows"]
    assert {row["kind"] for row in last} >= {"one instance", "several instances"}


@pytest.mark.slow
def test_ctrl_c_leaves_a_job_that_attach_follows_and_stop_ends(deployed, data):
    command = [sys.executable, "-m", "ops", "train", "--stage", "local", "--data", DATASET, "--set", "epochs=5000"]
    process = subprocess.Popen(command, cwd=ROOT, env=deployed.environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("epoch=1 "):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LATEST_SECONDS)
    assert process.returncode == 130
    name = re.search(r"(\S+) goes on\.", said)[1]
    assert f"python -m ops attach {name} --stage local" in said
    attached = subprocess.Popen(
        [sys.executable, "-m", "ops", "attach", name, "--stage", "local"],
        cwd=ROOT,
        env=deployed.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    for line in attached.stderr:
        if line.startswith("epoch=1 "):
            break
    stopped = operate(deployed.environment, "stop", name, "--stage", "local", "--json")
    assert stopped.json() == {"name": name, "status": "Stopped", "ran": True}
    _, said = attached.communicate(timeout=LATEST_SECONDS)
    assert attached.returncode == 4
    assert f"The training job {name} was stopped: somebody stopped it" in said


@pytest.mark.slow
def test_a_run_is_followed_and_its_steps_are_told(deployed, data, tmp_path):
    words = ("--stage", "local", "--json")
    ran = operate(deployed.environment, "pipeline", "run", *words, "--data", DATASET)
    # So few pictures may teach too little: then the run fails in the step that refuses the model, and says so.
    assert ran.status in (0, 4), ran.err
    found = operate(deployed.environment, "pipeline", "status", *words).json()
    states = {step["name"]: step["status"] for step in found["steps"]}
    assert found["dataset"] == f"dataset/{DATASET}"
    assert states["Train"] == states["Evaluate"] == states["Decide"] == "Succeeded"
    assert sorted(str(states[name]) for name in ("Register", "Refuse")) in (["None", "Succeeded"], ["Failed", "None"])
    if ran.status == 4:
        assert "Refuse: The model names a smaller share" in ran.err
    picture = operate(deployed.environment, "pipeline", "graph", *words, "--out", str(tmp_path / "p.svg"))
    assert picture.status == 0
    assert "Succeeded, " in (tmp_path / "p.svg").read_text()
    for source in ("training", "pipeline"):
        lines = operate(deployed.environment, "logs", source, *words).json()
        assert any("epoch" in line["message"] for line in lines), source


@pytest.mark.slow
def test_the_same_code_trains_here(data, tmp_path):
    words = ("--stage", "local", "--local", "--data", str(data), "--out", str(tmp_path / "out"), "--json", *QUICK)
    said = operate(os.environ, "train", *words)
    assert said.status == 0, said.err
    assert 0 <= said.json()["metrics"]["test_accuracy"] <= 1
    assert json.loads((tmp_path / "out" / "model" / "model.json").read_text())["hyperparameters"]["epochs"] == 2


@pytest.mark.slow
def test_the_same_code_trains_on_the_box_and_stands_beside_the_others(deployed, data):
    words = ("--stage", "local", "--data", DATASET, "--ec2", "--json", *QUICK)
    said = operate(deployed.environment, "train", *words)
    assert said.status == 0, said.err
    found = said.json()
    assert {"test_accuracy", "test_macro_f1"} <= found["metrics"].keys()
    assert re.fullmatch(rf"s3://{deployed.bucket}/models/[0-9a-f]{{64}}/model\.tar\.gz", found["model"])
    (row,) = operate(deployed.environment, "compare", found["name"], "--stage", "local", "--json").json()["rows"]
    assert (row["kind"], row["instances"], len(row["epochs"])) == ("box", "1 x m5.xlarge", 2)
    assert row["test_accuracy"] == found["metrics"]["test_accuracy"]
    again = operate(deployed.environment, "stop", found["name"], "--stage", "local")
    assert again.out == f"{found['name']} had ended already: Success.\n"


@pytest.mark.slow
def test_the_box_says_what_it_does_while_it_does_it_and_ctrl_c_leaves_it_at_it(deployed, data):
    """On a set that is not split, which it splits itself."""
    s3 = deployed.root.client("s3")
    for picture in sorted(data.glob("*/*/*")):
        key = f"dataset/unsplit/{picture.parent.name}/{picture.parent.parent.name}-{picture.name}"
        s3.put_object(Bucket=deployed.bucket, Key=key, Body=picture.read_bytes())
    s3.put_object(Bucket=deployed.bucket, Key="dataset/unsplit/manifest.json", Body=b"{}")
    words = ["train", "--stage", "local", "--data", "unsplit", "--ec2", "--set", "epochs=5000", "--set", "batch_size=8"]
    command = [sys.executable, "-m", "ops", *words]
    process = subprocess.Popen(command, cwd=ROOT, env=deployed.environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("epoch=1 "):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LATEST_SECONDS)
    assert process.returncode == 130
    name = re.search(r"(\S+) goes on\.", said)[1]
    assert f"python -m ops attach {name} --stage local" in said
    listed = operate(deployed.environment, "jobs", "--stage", "local", "--json").json()
    assert next(one["state"] for one in listed if one["name"] == name) == "InProgress"
    stopped = operate(deployed.environment, "stop", name, "--stage", "local", "--json")
    assert stopped.json() == {"name": name, "status": "Cancelled", "ran": True}


@pytest.fixture
def _frozen(deployed):
    """The training stack as a stage deploys it that trains a head on features."""
    deployed.deploy(deployed.changed(training__hyperparameters__stage="head"), stack=TRAINING)
    yield
    deployed.deploy(deployed.changed(), stack=TRAINING)


@pytest.mark.slow
def test_features_are_computed_once_for_all_trainings_of_a_head(deployed, data, _frozen):
    words = ("--stage", "local", "--data", DATASET, "--json", *QUICK)
    first = operate(deployed.environment, "train", *words)
    assert first.status == 0, first.err
    assert re.search(r"whippet-local-features-\S+: Completed", first.err)
    again = operate(deployed.environment, "tune", *words, "--dry-run")
    assert "Completed" not in again.err
    channels = {one["ChannelName"] for one in again.json()["TrainingJobDefinition"]["InputDataConfig"]}
    assert "features" in channels
