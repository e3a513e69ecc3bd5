"""A notebook instance's Jupyter: opened by its address, seen by its idle check, and gone with its instance, however that ends."""

import json
import os
import re
import signal
import time
from urllib.request import Request, urlopen

import pytest

from config.names import Names
from local import control, process_group
from local.sandbox.guest.place import STATE
from stacks.constructs.notebook import on_start
from tests.embedded import ROOT, Embedded, statement
from tests.local.notebooks import LOGS, Notebook

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebook-jupyter")]
ENVIRONMENT = ROOT / ".venv-notebook"
# So much faster, the five minutes of a timer are five seconds.
RATE = 60


@pytest.fixture
def aws(tmp_path):
    """One whose folder and clock are a test's own."""
    assert (ENVIRONMENT / "bin" / "jupyter-lab").is_file(), "make .venv-notebook/ready"
    state = tmp_path / "aws"
    yield lambda clock=1.0: Embedded(control.start(state=state, port=0, notebooks=ENVIRONMENT, clock=clock))
    control.stop(state)
    assert living(state) == []


def living(state):
    return process_group.holding(f"{STATE}={state}")


def opened(notebook):
    found = notebook.client.create_presigned_notebook_instance_url(NotebookInstanceName=notebook.name)
    return found["AuthorizedUrl"]


def jupyter(url, path, body=None, token=None):
    """What its API answers, asked by the address that was given."""
    base, given = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/lab\?token=(\S+)", url).groups()
    data = json.dumps(body).encode() if body is not None else None
    asked = Request(f"{base}{path}", data=data, headers={"Authorization": f"token {token or given}"})
    with urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def at_work(url):
    """A kernel and a terminal, each in a session of its own."""
    return jupyter(url, "/api/kernels", {"name": "python3"})["id"], jupyter(url, "/api/terminals", {})["name"]


def test_it_is_opened_by_its_address_alone_and_shows_what_is_kept(aws):
    notebook = Notebook(aws(), LOGS, OnStart="#!/bin/bash\necho here >/home/ec2-user/SageMaker/note.txt\n")
    assert notebook.settled()["NotebookInstanceStatus"] == "InService"
    url = opened(notebook)
    assert opened(notebook) == url
    assert [one["name"] for one in jupyter(url, "/api/contents")["content"]] == ["note.txt"]
    with pytest.raises(Exception, match="403"):
        jupyter(url, "/api/contents", token="guessed")
    with urlopen(url, timeout=30) as page:
        assert b"JupyterLab" in page.read()


def test_nothing_of_it_outlives_a_stop_of_the_notebook_and_what_it_keeps_is_there_again(aws):
    embedded = aws()
    notebook = Notebook(embedded, OnStart="#!/bin/bash\n")
    notebook.settled()
    url = opened(notebook)
    at_work(url)
    (notebook.folder / "SageMaker" / "note.txt").write_text("mine")
    # Of its first process, Jupyter, its kernel and its terminal.
    assert len(living(embedded.running.home.folder)) >= 4
    notebook.client.stop_notebook_instance(NotebookInstanceName=notebook.name)
    assert notebook.settled()["NotebookInstanceStatus"] == "Stopped"
    assert living(embedded.running.home.folder) == []
    notebook.client.start_notebook_instance(NotebookInstanceName=notebook.name)
    notebook.settled()
    assert [one["name"] for one in jupyter(opened(notebook), "/api/contents")["content"]] == ["note.txt"]


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_it_ends_with_the_embedded_aws_and_starts_with_it(aws, killed):
    embedded = aws()
    state = embedded.running.home.folder
    notebook = Notebook(embedded, OnStart="#!/bin/bash\necho again >>/home/ec2-user/SageMaker/starts\n")
    notebook.settled()
    at_work(opened(notebook))
    if killed:
        # Saved every five seconds.
        time.sleep(6)
        os.kill(embedded.running.facts.pid, signal.SIGKILL)
        while control.running(embedded.running.home):
            time.sleep(0.05)
    control.stop(state)
    assert living(state) == []
    again = aws()
    notebook.embedded, notebook.client = again, again.client("sagemaker")
    for _ in range(600):
        if (notebook.folder / "SageMaker" / "starts").read_text() == "again\nagain\n":
            break
        time.sleep(0.05)
    assert notebook.settled()["NotebookInstanceStatus"] == "InService"
    assert jupyter(opened(notebook), "/api/kernels") == []


def test_our_lifecycle_script_stops_an_idle_one(aws):
    """Ten minutes without a kernel's or a terminal's doing are ten seconds here."""
    embedded = aws(RATE)
    stops = statement("sagemaker:StopNotebookInstance", "*")
    notebook = Notebook(embedded, LOGS, stops, OnStart=on_start(10, Names("whippet", "test"), None))
    assert notebook.settled()["NotebookInstanceStatus"] == "InService", notebook.described()
    idle_from = time.monotonic()
    for _ in range(1200):
        if notebook.described()["NotebookInstanceStatus"] != "InService":
            break
        time.sleep(0.05)
    assert notebook.settled()["NotebookInstanceStatus"] == "Stopped"
    assert 9 <= time.monotonic() - idle_from < 40
