"""GitHub's workflows: pinned, without keys, with no permission to spare, and made of commands that exist."""

import re
import shlex
import subprocess

import pytest
import yaml

from tests.synth import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}
# The only jobs that may ask GitHub for a token, and thereby AWS for a role.
GETS_A_TOKEN = {("pull-request", "diff"), ("deploy", "deploy")}
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
STEPS = [(name, job, step) for name, job in JOBS for step in WORKFLOWS[name]["jobs"][job]["steps"]]


def commands():
    for _, _, step in STEPS:
        yield from (line.strip() for line in step.get("run", "").splitlines())


def test_both_workflows_are_there():
    assert set(WORKFLOWS) == {"pull-request", "deploy"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_with_their_version_beside_them(name):
    used = re.findall(r"uses: (.+)", (FOLDER / f"{name}.yml").read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_nothing_else(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_only_jobs_that_go_to_aws_get_a_token(name, job):
    expected = {"contents": "read", "id-token": "write"} if (name, job) in GETS_A_TOKEN else None
    assert WORKFLOWS[name]["jobs"][job].get("permissions") == expected


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_secret_is_asked_for(name):
    text = (FOLDER / f"{name}.yml").read_text()
    assert "secrets." not in text
    assert "aws-access-key-id" not in text


@pytest.mark.parametrize(
    ("name", "job", "step"), STEPS, ids=[f"{name}-{job}-{i}" for i, (name, job, _) in enumerate(STEPS)]
)
def test_steps_keep_no_credentials_of_the_checkout(name, job, step):
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


def test_nothing_that_a_stranger_writes_is_pasted_into_a_shell():
    """Titles, branches and inputs reach a script through its environment only."""
    for _, _, step in STEPS:
        assert not re.search(r"\$\{\{ *(github\.(event|head_ref)|inputs\.)", step.get("run", "")), step


def test_make_targets_exist():
    found = [re.sub(r"\$\{\{.*?\}\}", "x", line) for line in commands() if line.startswith("make ")]
    assert len(found) == 7
    for line in found:
        target = [word for word in shlex.split(re.sub(r"-C \w+", "", line))[1:] if "=" not in word]
        assert len(target) == 1, line
        assert target[0] in TARGETS, line


def test_slow_tests_get_the_commit_before_theirs():
    first, second = WORKFLOWS["pull-request"]["jobs"]["test-slow"]["steps"]
    assert first["with"]["fetch-depth"] == 2
    assert second["run"] == "make test-slow"


def test_cdk_takes_the_options_that_are_used():
    lines = [re.search(r"cdk (\w+) (.*?)(>>|2>&1|$)", line) for line in commands() if line.startswith("cdk ")]
    assert len(lines) == 3
    shown = {}
    for found in lines:
        command, options = found[1], re.findall(r"--[\w-]+", found[2])
        if command not in shown:
            program = [str(ROOT / ".venv" / "bin" / "cdk"), command, "--help"]
            shown[command] = subprocess.run(program, capture_output=True, text=True, check=True).stdout
        for option in options:
            name = option.removeprefix("--no-") if option == "--no-color" else option.removeprefix("--")
            assert f"--{name}" in shown[command], (command, option)


def test_a_failing_diff_fails_its_step():
    """GitHub's bash runs with pipefail only where the shell is named or the default's is on; a pipe hides a failure."""
    for name, job, step in STEPS:
        if "cdk diff" in step.get("run", "") and "|" in step["run"].replace("||", ""):
            assert WORKFLOWS[name]["jobs"][job].get("defaults", {}).get("run", {}).get("shell") == "bash"


def test_deploys_are_protected_by_an_environment_and_wait_for_each_other():
    workflow = WORKFLOWS["deploy"]
    assert workflow["jobs"]["deploy"]["environment"] == "${{ inputs.stage }}"
    assert workflow["jobs"]["deploy"]["needs"] == "test"
    assert workflow["concurrency"] == {"group": "deploy-${{ inputs.stage }}", "cancel-in-progress": False}


def test_stages_offered_are_those_with_a_file():
    inputs = WORKFLOWS["deploy"][True]["workflow_dispatch"]["inputs"]
    for stage in inputs["stage"]["options"]:
        assert (ROOT / "config" / f"{stage}.toml").exists()


def test_forks_never_reach_the_account():
    condition = WORKFLOWS["pull-request"]["jobs"]["diff"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
