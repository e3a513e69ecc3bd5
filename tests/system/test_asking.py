"""`ops predict` and `ops batch` against the deployed system: every way to the model, links, failures, many at once."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.operating import operate
from tests.system.deployed import API

pytestmark = pytest.mark.xdist_group("deployed")


def ask(deployed, *words):
    return operate(deployed.environment, *words, "--stage", "local")


@pytest.mark.parametrize(
    ("via", "hops"),
    [
        ("api", {"api", "function", "endpoint", "model", "total"}),
        ("lambda", {"lambda", "function", "endpoint", "model", "total"}),
        ("endpoint", {"endpoint", "model", "total"}),
    ],
)
def test_every_way_says_the_same_and_where_its_time_went(deployed, via, hops):
    said = ask(deployed, "predict", str(deployed.sample), "--via", via, "--top-k", "2", "--json")
    assert said.status == 0, said.err
    (one,) = said.json()["answers"]
    assert (one["predictions"][0]["label"], len(one["predictions"])) == (deployed.sample.stem, 2)
    assert one["variant"] == "primary"
    spent = one["milliseconds"]
    assert spent.keys() == hops
    assert sum(value for hop, value in spent.items() if hop != "total") == pytest.approx(spent["total"], abs=0.1)
    assert one["steps"].keys() == {"queue", "decode", "infer", "encode"}


def test_a_folder_an_object_and_a_link_are_pictures_too(deployed, tmp_path):
    shutil.copy(deployed.sample, tmp_path / "one.jpg")
    key = "batch/input/asked/one.jpg"
    deployed.root.client("s3").upload_file(str(deployed.sample), deployed.bucket, key)
    said = ask(deployed, "predict", str(tmp_path), f"s3://{deployed.bucket}/{key}", "https://[::1]/x.jpg", "--csv")
    rows = list(csv.DictReader(said.out.splitlines()))
    assert [row["label"] for row in rows if row["rank"] == "1"] == [deployed.sample.stem] * 2
    assert said.status == 4
    assert "https://[::1]/x.jpg: the API answered 400" in rows[-1]["error"]
    assert said.err == f"{rows[-1]['error']}\n"


@pytest.mark.parametrize("via", ["api", "lambda"])
def test_a_photo_too_large_for_a_request_is_uploaded_first(deployed, tmp_path, via):
    """Behind the end of a JPEG's picture anything may stand."""
    large = tmp_path / "large.jpg"
    large.write_bytes(deployed.sample.read_bytes() + bytes(4_600_000))
    said = ask(deployed, "predict", str(large), "--via", via, "--json")
    assert said.status == 0, said.err
    assert said.json()["answers"][0]["predictions"][0]["label"] == deployed.sample.stem
    assert "fetch" in said.json()["answers"][0]["milliseconds"]


def test_what_the_model_refuses_is_told_in_its_own_words(deployed, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(deployed.sample.read_bytes()[:200])
    for via in ("api", "endpoint"):
        said = ask(deployed, "predict", str(broken), "--via", via)
        assert (said.status, said.out) == (4, "")
        assert said.err.count("\n") == 1
        assert f"{broken}: the " in said.err
        assert said.err.endswith(".\n")


def test_a_batch_joins_results_to_files_and_names_what_failed(deployed, tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "found.csv"
    (pictures / "below").mkdir(parents=True)
    for name in ("one.jpg", "below/ü two.jpg"):
        shutil.copy(deployed.sample, pictures / name)
    (pictures / "broken.jpg").write_bytes(deployed.sample.read_bytes()[:200])
    (pictures / "empty.jpg").touch()
    said = ask(deployed, "batch", str(pictures), "--out", str(out), "--json")
    assert said.status == 4
    data = said.json()
    assert [one["file"] for one in data["failed"]] == ["broken.jpg", "empty.jpg"]
    assert data["failed"][1]["error"] == "empty.jpg is empty."
    assert "answered 422" in data["error"]
    rows = {row["file"]: row for row in csv.DictReader(out.read_text().splitlines())}
    assert rows.keys() == {"one.jpg", "below/ü two.jpg", "broken.jpg", "empty.jpg"}
    assert rows["below/ü two.jpg"]["label"] == rows["one.jpg"]["label"] == deployed.sample.stem
    again = ask(deployed, "batch", "--job", data["job"], "--out", str(tmp_path / "again.jsonl"))
    assert again.status == 4
    lines = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert {line["file"]: (line["label"], line["error"]) for line in lines} == {
        name: (row["label"], row["error"]) for name, row in rows.items()
    }


@pytest.mark.slow
def test_ctrl_c_leaves_a_batch_running_and_says_how_to_return(deployed, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    shutil.copy(deployed.sample, tmp_path / "one.jpg")
    with monkeypatch.context() as patch:
        patch.setattr("ops.asking.batching._followed", interrupted)
        said = ask(deployed, "batch", str(tmp_path), "--json")
    assert (said.status, said.out) == (130, "")
    job = said.err.split("--job ")[1].split(" ")[0]
    assert f"python -m ops batch --job {job} --stage local" in said.err
    back = ask(deployed, "batch", "--job", job, "--out", str(tmp_path / "found.csv"))
    assert back.status == 0, back.err
    assert f"{deployed.sample.stem}" in back.out


def test_batches_read_nothing_outside_their_prefix(deployed):
    said = ask(deployed, "batch", f"s3://{deployed.bucket}/dataset/")
    assert (said.status, said.out) == (1, "")
    assert "batch jobs may read nothing else: copy it there" in said.err


@pytest.fixture
def signed(deployed):
    deployed.deploy(deployed.changed(api__auth="iam"), stack=API)
    yield deployed
    deployed.deploy(stack=API)


@pytest.mark.slow
def test_an_api_that_wants_signatures_gets_them(signed):
    """The operator's stage file need not say so: the stack's output does."""
    said = ask(signed, "predict", str(signed.sample), "--json")
    assert said.status == 0, said.err
    assert said.json()["answers"][0]["predictions"][0]["label"] == signed.sample.stem


def test_table_fits_80_columns(deployed):
    said = ask(deployed, "predict", str(Path(deployed.sample).parent), "--top-k", "1")
    assert said.status == 0, said.err
    assert max(map(len, said.out.splitlines())) <= 80
    assert "Typical ms spent at each hop:\n  api " in said.out
