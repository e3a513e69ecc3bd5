"""The upgrade rehearsal: the previous commit's stacks deployed, then this tree's over them, while clients predict.

UPGRADE_FROM=REVISION rehearses from another state than the commit before this one, UPGRADE_FROM=FOLDER from files that
git does not know. Without either state there is nothing to rehearse from, and the test fails and says so: a rehearsal
that did not happen is no success. UPGRADE_FROM=nothing says that this is known, for a clone that has no past to get.
"""

import json
import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from local import control
from ops import cdk
from tests.system.deployed import Deployed
from tests.system.load import Load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("upgrade")]
FORMER = os.environ.get("UPGRADE_FROM", "HEAD^")
if FORMER == "nothing":
    pytestmark.append(pytest.mark.skip(reason="NOT REHEARSED: this clone has no commit before its own to upgrade from"))


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=cdk.ROOT, capture_output=True, check=False)
    assert done.returncode == 0, (
        f"There is no {FORMER} to upgrade from ({done.stderr.decode().strip()}): a shallow clone gets the commit before "
        "its own by `git fetch --deepen=1`; UPGRADE_FROM=REVISION or UPGRADE_FROM=FOLDER names another state."
    )
    return done.stdout


def before(folder: Path) -> Path:
    """The files of the former state."""
    if Path(FORMER).is_dir():
        return Path(FORMER).resolve()
    commit = git("rev-parse", "--verify", f"{FORMER}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=BytesIO(git("archive", commit))) as tar:
        tar.extractall(folder / "before", filter="data")
    return folder / "before"


@pytest.fixture
def system(tmp_path):
    running = control.start(state=tmp_path / "aws", port=0)
    try:
        made = Deployed(running, tmp_path)
        made.bootstrap()
        yield made
    finally:
        control.stop(tmp_path / "aws")


def test_no_request_fails_while_this_commit_is_deployed_over_the_one_before(system, tmp_path):
    system.deploy(project=before(tmp_path))
    with Load(system) as load:
        alike = system.deploy(project=cdk.ROOT).count("no changes")
        over_commits = len(load.answers)
        # Two commits may differ in nothing that is deployed. These settings replace the model, its configuration, the
        # endpoint's fleet and the function's version in any case.
        system.deploy(system.changed(serving__precision="int8", api__top_k=2))
        load.until(10)
    print(f"from {FORMER}: {over_commits} requests, {alike} stacks alike; then {len(load.answers) - over_commits} more")
    assert load.failures() == {}
    assert [len(json.loads(one.text)["predictions"]) for one in (load.answers[0], load.answers[-1])] == [5, 2]
