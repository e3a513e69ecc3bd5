"""A folder as it is looked at before a push: the same eyes as the pipeline's, its faults by name."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lambda_src.intake import arrival
from ops.data import names
from ops.data.check import Terms, check
from ops.data.names import name_of, refuse_unfit_keys
from ops.errors import OperatorError, Refused
from tests.operating import operate
from tests.ops.pushing import wait_for
from tests.synth import ROOT


def draw(file, shade):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), (shade % 256, shade * 7 % 256, 9)).save(file)


@pytest.fixture
def flat(tmp_path):
    """Two classes as the dog course names them, not split."""
    folder = tmp_path / "Dog Images"
    for index, label in enumerate(("001.Affenpinscher", "002.Beagle")):
        for number in range(10):
            draw(folder / label / f"{number}.png", index * 100 + number)
    return folder


def test_a_set_without_splits_is_split_class_by_class_and_the_same_way_each_time(flat):
    found = check(flat, "dogs", Terms(split=(60, 20, 20)))
    assert found.splits == {"train": 12, "valid": 4, "test": 4}
    assert found.labels == ["Affenpinscher", "Beagle"]
    assert {one.key.split("/")[1] for one in found.pictures} == {"001.Affenpinscher", "002.Beagle"}
    moved = shutil.copytree(flat, flat.parent / "elsewhere")
    again = check(moved, "dogs", Terms(split=(60, 20, 20)))
    assert (again.manifest, found.was_split) == (found.manifest, False)
    assert check(flat, "dogs", Terms(split=(60, 20, 20), seed=2)).manifest != found.manifest


def test_faults_are_told_by_name_and_the_set_goes_without_them(flat):
    for number in range(30):
        draw(flat / "001.Affenpinscher" / f"more {number}.png", 40 + number)
    (flat / "002.Beagle" / "torn.jpg").write_bytes((flat / "002.Beagle" / "0.png").read_bytes()[:40])
    draw(flat / "002.Beagle" / "puppies" / "1.png", 7)
    said = operate({}, "data", "check", str(flat))
    assert said.status == 0, said.err
    assert "left out: 002.Beagle/torn.jpg is damaged" in said.out
    assert "left out: 002.Beagle/puppies/1.png lies in a folder below its class's; move it up" in said.out
    assert "dog-images: 50 pictures of 2 classes" in said.out
    said = operate({}, "data", "check", str(flat), "--on-bad-image", "fail", "--json")
    assert (said.status, said.json()["status"], len(said.json()["left_out"])) == (5, 5, 2)
    assert "2 of 52 pictures cannot be used" in said.err


def test_a_picture_in_two_splits_is_told(tmp_path):
    for number, split in enumerate(("train", "valid", "test")):
        for index, label in enumerate(("cat", "dog")):
            draw(tmp_path / split / label / "1.png", number * 20 + index)
    shutil.copy(tmp_path / "train" / "cat" / "1.png", tmp_path / "test" / "cat" / "copy.png")
    found = check(tmp_path, "pets", Terms())
    assert dict(found.duplicates) == {"train/cat/1.png": "is the same picture as test/cat/copy.png"}
    with pytest.raises(Refused, match="1 pictures stand in two splits"):
        check(tmp_path, "pets", Terms(on_duplicate="fail"))
    with pytest.raises(OperatorError, match="is split already: --split is for a folder without"):
        check(tmp_path, "pets", Terms(split=(80, 10, 10)))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["/nowhere"], 1, "/nowhere is no folder, no zip and no https address of one."),
        (["http://example.com/dogs.zip"], 1, "fetched over https only"),
        (["."], 5, "class folders; at least 2 are needed"),
        ([".", "--name", "Dogs"], 1, "--name Dogs: a data set's name has at most 60 lower-case letters"),
        ([".", "--split", "80/10"], 2, "80/10 is not three whole numbers, as in 80/10/10"),
        ([".", "--split", "80/10/20"], 2, "each share must be above 0, and all three together 100"),
    ],
)
def test_what_cannot_be_pushed_is_one_sentence(tmp_path, monkeypatch, words, status, said):
    monkeypatch.chdir(tmp_path)
    found = operate({}, "data", "check", *words)
    assert (found.status, found.err.count("\n")) == (status, 1)
    assert said in found.err


def test_ctrl_c_while_pictures_are_looked_at_is_a_sentence_and_leaves_no_process(flat):
    looking = flat.parent / "looking"
    code = "import os, pathlib, sys, time\nif 'training.prepare' in sys.orig_argv:\n"
    code += f"    pathlib.Path({str(looking)!r}).write_text(str(os.getpid()))\n    time.sleep(60)\n"
    (flat.parent / "sitecustomize.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(flat.parent)}
    words = [sys.executable, "-m", "ops", "data", "check", str(flat)]
    # As a terminal does it: to all that runs there.
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        wait_for(lambda: looking.exists() and looking.read_text())
        os.killpg(program.pid, signal.SIGINT)
        _, said = program.communicate(timeout=20)
    assert (program.returncode, said.count("\n"), "Traceback" in said) == (130, 1, False)
    assert said.startswith("Interrupted. ")
    assert not Path(f"/proc/{looking.read_text()}").exists()


def test_names_are_what_intake_takes():
    assert (names.NAME.pattern, names.LONGEST_NAME, names.PREFIX) == (
        arrival.NAME,
        arrival.LONGEST_NAME,
        arrival.PREFIX,
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/dogImages/", "dogimages"),
        ("https://x.org/a/Dog%20Images.zip?x=1", "dog-images"),
        ("Ä b__c.zip", "b-c"),
        ("x" * 70, "x" * 60),
    ],
)
def test_a_name_is_made_from_the_source(source, name):
    assert name_of(source) == name


def test_a_source_that_makes_no_name_asks_for_one():
    with pytest.raises(OperatorError, match="give one with --name"):
        name_of("猫/")


@pytest.mark.parametrize(
    ("key", "why"),
    [("train/a\nb/1.jpg", "control character"), (f"train/cat/{'é' * 600}.jpg", "longer than 1024 bytes")],
)
def test_names_that_no_key_can_hold_are_refused(key, why):
    with pytest.raises(Refused, match=f"1 pictures have names that no key can hold, rename them: .*{why}"):
        refuse_unfit_keys("dogs", ["train/cat/1.jpg", key])


def test_the_plan_is_json_also_where_there_is_nothing_to_plan(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "training.prepare", "--plan", "--data", str(tmp_path / "none")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "no such folder" in json.loads(done.stdout)["refused"]
