"""The training box's programs: the start-up script in a folder of its own, training against the embedded AWS, idleness."""

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from stacks.constructs import source_folders
from stacks.constructs.training_code import archive
from tests.embedded import fresh, statement
from workbench import box

pytestmark = pytest.mark.xdist_group("workbench")
ROOT = source_folders.ROOT
SETTINGS = box.Settings("b", "us-east-1", "c", Path("/nowhere"), 30)
# An instance's own of the embedded AWS: AWS's command line does not live beside our other requirements.
AWS = """#!/bin/sh
PYTHONPATH='{root}' exec '{python}' -m local.sandbox.guest.commands aws "$@"
"""


class Box:
    """A folder that stands for the box's disk, and a role with the box's permissions."""

    def __init__(self, embedded, folder):
        self.embedded, self.folder, self.bucket = embedded, folder, embedded.bucket()
        self.settings = folder / "whippet.json"
        self.settings.write_text(
            json.dumps(
                {
                    "bucket": self.bucket,
                    "region": "us-east-1",
                    "code_parameter": self.code(),
                    "folder": str(folder / "work"),
                    "idle_minutes": 60,
                }
            )
        )
        programs = folder / "bin"
        programs.mkdir()
        (programs / "aws").write_text(AWS.format(root=ROOT, python=sys.executable))
        (programs / "aws").chmod(0o755)
        self.role = embedded.acting(
            statement("ssm:GetParameter", "*"),
            statement("s3:ListBucket", f"arn:aws:s3:::{self.bucket}"),
            statement("s3:GetObject", [f"arn:aws:s3:::{self.bucket}/code/*", f"arn:aws:s3:::{self.bucket}/dataset/*"]),
            statement("s3:PutObject", f"arn:aws:s3:::{self.bucket}/models/*"),
        )

    def code(self):
        name = fresh("code")
        address = self.embedded.put(self.bucket, "code/sourcedir.tar.gz", archive(source_folders.TRAINING))
        self.embedded.client("ssm").put_parameter(Name=name, Value=address, Type="String")
        return name

    def data(self, folder, prefix):
        for file in folder.rglob("*.jpg"):
            self.embedded.put(self.bucket, f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def run(self, *words):
        keys = {name.upper(): value for name, value in self.role.items()}
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.embedded.running.url,
            "AWS_CA_BUNDLE": self.embedded.environment["AWS_CA_BUNDLE"],
            **keys,
        }
        command = [sys.executable, str(source_folders.WORKBENCH / "box.py"), "--settings", str(self.settings), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, "-m", "training.synthetic", "--out", str(folder), "--train", "60", "--valid", "20"]
    command += ["--test", "20"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def trained(embedded, tmp_path_factory, pictures):
    made = Box(embedded, tmp_path_factory.mktemp("box"))
    made.data(pictures, "dataset/shapes")
    return made, made.run("train", "--data", "shapes", "--epochs", "1", "--input-size", "32", "--batch-size", "16")


@pytest.mark.slow
def test_training_leaves_the_model_under_its_hash(trained):
    made, done = trained
    assert done.returncode == 0, done.stderr
    key = re.search(r'artifact = "(models/[0-9a-f]{64}/model\.tar\.gz)"', done.stdout)[1]
    body = made.embedded.client("s3").get_object(Bucket=made.bucket, Key=key)["Body"].read()
    target = made.folder / "fetched.tar.gz"
    target.write_bytes(body)
    with tarfile.open(target) as tar:
        described = json.load(tar.extractfile("model.json"))
        assert set(tar.getnames()) == {"model.json", *described["files"]}
    assert {"model.onnx", "model.pt"} <= set(described["files"])


@pytest.mark.slow
def test_data_that_is_not_there_is_a_sentence(trained):
    made, _ = trained
    done = made.run("train", "--data", "dogs")
    assert done.returncode == 1
    assert f"s3://{made.bucket}/dataset/dogs/ is empty; push a data set there" in done.stderr


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What `train` runs on a box whose AWS and whose Python only note what they were asked for."""
    calls = []

    def python(_folder, module, *words):
        calls.append([module, *words])
        if module == "training.artifact":
            Path(words[1]).write_bytes(b"model")

    monkeypatch.setattr(box, "python", python)
    monkeypatch.setattr(box, "aws", lambda _settings, *words: calls.append(list(words)) or "")
    monkeypatch.setattr(box, "install_missing", lambda: None)
    monkeypatch.setattr(box, "fetch_code", lambda _: tmp_path)

    def run(*words, splits=("train", "valid", "test")):
        data = tmp_path / "data"
        for name in splits:
            (data / name).mkdir(parents=True)
        monkeypatch.setattr(box, "fetch_data", lambda *_: data)
        (tmp_path / "settings.json").write_text(json.dumps({**vars(SETTINGS), "folder": str(tmp_path / "work")}))
        assert box.main(["--settings", str(tmp_path / "settings.json"), "train", "--data", "dogs", *words]) == 0
        return {call[0]: call for call in calls}, tmp_path / "work"

    return run


def test_a_set_that_is_split_is_trained_on_as_it_is(told):
    calls, _ = told("--epochs=3")
    assert "training.prepare" not in calls
    assert calls["training.train"][-1] == "--epochs=3"


def test_a_set_that_is_not_split_is_split_by_the_trainings_seed(told):
    calls, work = told("--seed=7", splits=("cat", "dog"))
    assert calls["training.prepare"][-2:] == ["--seed", "7"]
    train = calls["training.train"]
    assert train[train.index("--test") + 1] == str(work / "prepared" / "test")
    assert train[train.index("--seed") + 1] == "7"


def test_weights_in_s3_are_fetched_and_begun_from(told):
    calls, work = told("--weights=s3://b/weights/r.pth", "--weights-sha256=0")
    assert calls["s3"][:2] == ["s3", "cp"]
    train = calls["training.train"]
    assert train[train.index("--weights") + 1] == str(work / "weights" / "r.pth")
    assert train[-1] == "--weights-sha256=0"


def test_weights_elsewhere_are_trainings_own_matter(told):
    calls, _ = told("--weights=https://example.com/r-12345678.pth")
    train = calls["training.train"]
    assert train[train.index("--weights") + 1] == "https://example.com/r-12345678.pth"


def test_failing_training_ends_in_a_sentence_before_anything_is_left(tmp_path):
    with pytest.raises(box.BoxError, match="json.tool failed, as it says above"):
        box.python(tmp_path, "json.tool", "no-such-file")


def test_packages_are_those_that_training_is_tested_with():
    pinned = (ROOT / "requirements.txt").read_text()
    for wanted in box.PACKAGES.values():
        assert re.search(rf"^{re.escape(wanted)}\s", pinned, re.MULTILINE), wanted


def rendered(name, **gaps):
    text = (source_folders.WORKBENCH / name).read_text()
    for gap, value in gaps.items():
        text = text.replace(f"@{gap}@", value)
    return text


@pytest.fixture
def start_up(tmp_path):
    """Runs a start-up script with a folder for /, and commands that only note that they were called."""

    def run(script):
        programs, root = tmp_path / "bin", tmp_path / "root"
        programs.mkdir()
        (programs / "systemctl").write_text(f'#!/bin/bash\necho "$@" >>{tmp_path}/calls\n')
        (programs / "systemctl").chmod(0o755)
        path = tmp_path / "script.sh"
        path.write_text(script)
        environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", str(path), str(root)], env=environment, capture_output=True, text=True, check=False
        )
        return done, root, (tmp_path / "calls").read_text().splitlines()

    return run


def test_start_up_installs_the_command_and_the_timer(start_up):
    program = (source_folders.WORKBENCH / "box.py").read_text()
    settings = '{"bucket":"b","region":"us-east-1","code_parameter":"c","folder":"/nowhere/work","idle_minutes":60}'
    done, root, calls = start_up(rendered("user_data.sh", PROGRAM=program, SETTINGS=settings))
    assert done.returncode == 0, done.stderr
    assert (root / "opt/whippet/box.py").read_text().rstrip() == program.rstrip()
    assert json.loads((root / "etc/whippet.json").read_text())["bucket"] == "b"
    assert os.access(root / "usr/local/bin/whippet-train", os.X_OK)
    assert calls == ["daemon-reload", "enable --now whippet-idle.timer"]
    # There is no AWS to fetch from here; the box starts all the same.
    assert "nothing fetched yet" in done.stdout


def test_notebooks_start_up_installs_the_timer(start_up):
    program = (source_folders.WORKBENCH / "notebook_idle.py").read_text()
    gaps = {"NOTEBOOKS": "s3://none/notebooks.tar.gz", "REGION": "us-east-1", "STAGE": "{}"}
    done, root, calls = start_up(rendered("notebook_start.sh", PROGRAM=program, IDLE_MINUTES="45", **gaps))
    assert done.returncode == 0, done.stderr
    # There is no AWS to fetch from here; the notebook starts all the same.
    assert "our notebooks could not be fetched" in done.stdout
    assert "notebook_idle.py 45\n" in (root / "etc/systemd/system/whippet-idle.service").read_text()
    assert calls == ["daemon-reload", "enable --now whippet-idle.timer", "is-active whippet-idle.timer"]


IDLE = box.Reading(load=0.05, logins=0, sessions=0, gpu_percent=0)


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (IDLE, None),
        (box.Reading(0.9, 0, 0, 0), "load 0.90"),
        (box.Reading(0.0, 1, 0, 0), "1 logins, 0 sessions or commands"),
        (box.Reading(0.0, 0, 2, 0), "0 logins, 2 sessions or commands"),
        (box.Reading(0.0, 0, 0, 80), "GPU at 80 %"),
    ],
)
def test_box_at_work_is_told_from_an_idle_one(reading, reason):
    assert reading.reason() == reason


@pytest.fixture
def shutdowns(monkeypatch):
    calls = []
    monkeypatch.setattr(box.subprocess, "run", lambda command, **_: calls.append(command))
    return calls


def test_box_stops_after_so_many_idle_minutes_and_not_before(tmp_path, shutdowns):
    last = tmp_path / "last-busy"
    started = 1_000_000.0
    assert not box.stop_when_idle(SETTINGS, IDLE, last, started)
    assert not box.stop_when_idle(SETTINGS, IDLE, last, started + 29 * 60)
    assert shutdowns == []
    assert box.stop_when_idle(SETTINGS, IDLE, last, started + 30 * 60)
    assert shutdowns == [["shutdown", "-h", "now"]]


def test_work_counts_from_its_end(tmp_path, shutdowns):
    last = tmp_path / "last-busy"
    box.stop_when_idle(SETTINGS, IDLE, last, 0.0)
    box.stop_when_idle(SETTINGS, box.Reading(2.0, 0, 0, 0), last, 40 * 60)
    assert not box.stop_when_idle(SETTINGS, IDLE, last, 69 * 60)
    assert box.stop_when_idle(SETTINGS, IDLE, last, 70 * 60)


def test_sessions_of_the_agent_are_seen_among_processes(tmp_path):
    (tmp_path / "loadavg").write_text("0.31 0.2 0.1 1/100 4242\n")
    for number, line in (("1", b"/sbin/init\0"), ("70", b"/usr/bin/ssm-session-worker\0someone\0"), ("71", b"bash\0")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "cmdline").write_bytes(line)
    found = box.observe(tmp_path)
    assert (found.load, found.sessions) == (0.31, 1)


def test_this_machine_can_be_read():
    assert box.observe(Path("/proc")).load >= 0
