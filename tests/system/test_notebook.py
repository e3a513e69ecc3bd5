"""The notebook from end to end, on the deployed stage's notebook instance and by its role; and that its jobs are ours."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from config import load_stage
from local.home import VOLUME
from ops.work.definition import Definition
from ops.work.prepared import Prepared
from ops.work.requests import training
from ops.work.wishes import Wish
from tests.synth import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deployed")]
NOTEBOOK = ROOT / "notebooks" / "operationalize.ipynb"
CHECKPOINTS = "/opt/ml/checkpoints"
TOOLS = ROOT / ".venv-notebook" / "bin"
# Read by Python itself as it starts, in the kernel: every host that anything connects to.
LISTEN = """
import os, socket
connect = socket.socket.connect
def told(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        with open(os.environ["CONNECTED"], "a") as out:
            out.write(f"{address[0]}\\n")
    return connect(self, address)
socket.socket.connect = told
"""


@pytest.fixture(scope="module")
def address(deployed):
    """The deployed notebook instance's Jupyter."""
    assert TOOLS.is_dir(), "make .venv-notebook/ready"
    name = deployed.restarted_notebook()
    opened = deployed.root.client("sagemaker").create_presigned_notebook_instance_url(NotebookInstanceName=name)
    return opened["AuthorizedUrl"]


def in_terminal(address, command):
    """What a person at that Jupyter types, and whether it ends well."""
    words = [str(TOOLS / "python"), str(ROOT / "tests" / "system" / "jupyter_terminal.py"), address, command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def executed(deployed, address, tmp_path_factory):
    """Its cells, as the notebook instance executes them with its own role, and the hosts that it connected to."""
    folder = tmp_path_factory.mktemp("notebook")
    draw = [sys.executable, "-m", "training.synthetic", "--out", str(folder / "pictures")]
    few = ["--train=60", "--valid=30", "--test=30", "--labels=blue_circle,checkerboard"]
    subprocess.run([*draw, *few], cwd=ROOT, check=True)
    (folder / "sitecustomize.py").write_text(LISTEN)
    facts = deployed.running.facts
    work = deployed.running.home.notebook(facts.account, facts.region, deployed.notebook) / VOLUME / "whippet"
    # As they are uploaded in the browser, beside what the instance's start has brought.
    shutil.copytree(folder, work, dirs_exist_ok=True)
    told = "WHIPPET_TRIALS=2 PYTHONPATH=$PWD CONNECTED=$PWD/connected"
    execute = "jupyter-execute --kernel_name=python3 --output=executed.ipynb operationalize.ipynb"
    done = in_terminal(address, f"cd whippet && {told} {execute}")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((work / "executed.ipynb").read_text())["cells"], set((work / "connected").read_text().split())


def said(cells, beginning):
    """What the cell showed whose code begins so."""
    (cell,) = (cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).startswith(beginning))
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
    return "\n".join("".join(text) for text in texts)


def test_it_goes_from_pictures_to_a_prediction(executed):
    cells, _ = executed
    steps = said(cells, "import time")
    assert [line.split()[:2] for line in steps.split("\n") if line] == [
        [name, "Succeeded"] for name in ("Prepare", "Tune", "Train", "Evaluate", "Decide", "Register")
    ]
    compared = said(cells, "import pandas")
    assert all(label in compared for label in ("pipeline", "notebook", "trial 1", "trial 2", "test_accuracy"))
    registry = said(cells, "from sagemaker.core.resources import ModelPackage")
    assert re.search(r"version \d+ of whippet-local-models: PendingManualApproval", registry)
    assert "'accuracy': " in registry
    assert "'label': 'blue_circle'" in said(cells, "from sagemaker.core.resources import Endpoint")


def test_nothing_but_the_endpoint_it_was_given_is_connected_to(executed):
    """Neither the package's telemetry nor anything else leaves this machine."""
    assert executed[1] <= {"127.0.0.1", "::1"}


def test_no_credentials_but_the_notebooks_own_are_there(deployed, address):
    """What the others of these tests could do, its role may do."""
    ask = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    said = in_terminal(address, f'python -c "{ask}"').stdout
    assert f"assumed-role/{deployed.role_arn('NotebookRole').rsplit('/', 1)[-1]}/SageMaker" in said


def test_who_may_not_be_root_stays_so(address):
    assert "ec2-user has no root access" in in_terminal(address, "sudo true").stdout


def test_its_training_is_the_one_that_ops_would_start(deployed, executed):
    """AWS's own package makes of the pipeline's arguments the request that `ops train` makes of them."""
    sagemaker = deployed.root.client("sagemaker")
    name = said(executed[0], "from sagemaker.core.training").split("\n")[-1].strip("'")
    job = sagemaker.describe_training_job(TrainingJobName=name)
    wish = Wish(hyperparameters={"seed": 2})
    uri = job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].removesuffix("/train/")
    tuned = {key: job["HyperParameters"][key] for key in ("learning-rate", "weight-decay")}
    definition = Definition.deployed(sagemaker, deployed.pipeline)
    config, _ = load_stage("local")
    # Where it leaves things is named after the job's base name, as the notebook chose it.
    base = name.rsplit("-", 1)[0]
    ours = training(definition, base, Prepared(uri, ""), config=config, wish=wish, tuned=tuned)
    del ours["TrainingJobName"]
    # The one that counts where none is named.
    assert job["CheckpointConfig"].pop("LocalPath", CHECKPOINTS) == CHECKPOINTS
    assert {key: job[key] for key in ours} == ours


def test_it_is_committed_as_it_was_written_and_not_as_it_ran():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
