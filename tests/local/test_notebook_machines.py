"""Notebook instances that run: lifecycle scripts with the role's own credentials, and what of the disk outlives a stop."""

import base64
import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from local import cli, process_group
from local.sandbox.guest.place import ROOT
from local.status import sentences, status
from tests.embedded import fresh, statement
from tests.local.notebooks import LOGS, Notebook

pytestmark = pytest.mark.xdist_group("tests.local.test_notebooks")
ON_CREATE = """#!/bin/bash
echo "created in $PWD" | tee -a /home/ec2-user/SageMaker/created
"""
ON_START = """#!/bin/bash
set -eu
cat /opt/ml/metadata/resource-metadata.json; echo
aws sts get-caller-identity --query Arn --output text
aws s3 ls s3://none/ || echo "may not"
ls /home/ec2-user
echo started >>/home/ec2-user/SageMaker/started
touch /home/ec2-user/of-this-start
sudo -u ec2-user -i <<'EOF'
echo "as a user in $PWD"
EOF
"""


@pytest.fixture(scope="module")
def notebook(embedded):
    made = Notebook(embedded, LOGS, OnCreate=ON_CREATE, OnStart=ON_START)
    assert made.settled()["NotebookInstanceStatus"] == "InService"
    return made


def test_scripts_run_with_the_roles_credentials_and_tell_their_log(notebook):
    assert notebook.log("OnCreate") == [f"created in {notebook.folder / 'root'}"]
    itself, identity, *rest = notebook.log("OnStart")
    assert json.loads(itself) == {
        "ResourceArn": notebook.described()["NotebookInstanceArn"],
        "ResourceName": notebook.name,
    }
    assert identity.endswith(f"assumed-role/{notebook.role.rsplit('/', 1)[-1]}/SageMaker")
    assert any("AccessDenied" in line for line in rest)
    assert "may not" in rest
    assert rest[-1] == f"as a user in {notebook.folder / 'root' / 'home' / 'ec2-user'}"


def test_status_and_logs_show_it(embedded, notebook, capfd):
    shown = "\n".join(sentences(status(embedded.running)))
    assert re.search(rf"notebook  {notebook.name} \(ml.t3.medium\): InService; what it keeps is in /", shown)
    assert cli.main(["logs", "--state", str(embedded.running.home.folder), "--notebook", notebook.name]) == 0
    assert "may not" in capfd.readouterr().out


def test_of_its_disk_one_folder_outlives_a_stop(notebook):
    """And OnCreate has run for good."""
    disk = f"{ROOT}={notebook.folder / 'root'}"
    assert process_group.holding(disk)
    notebook.client.stop_notebook_instance(NotebookInstanceName=notebook.name)
    assert notebook.settled()["NotebookInstanceStatus"] == "Stopped"
    assert not process_group.holding(disk)
    notebook.client.start_notebook_instance(NotebookInstanceName=notebook.name)
    assert notebook.settled()["NotebookInstanceStatus"] == "InService"
    volume, home = notebook.folder / "SageMaker", notebook.log("OnStart")[-3:]
    assert (volume / "created").read_text().count("created") == 1
    assert (volume / "started").read_text() == "started\nstarted\n"
    # What the start before left in the home folder was gone as this one's script looked.
    assert "of-this-start" not in home


def test_a_script_that_fails_fails_the_notebook_and_says_which(embedded):
    """Under a role that may write no log, which keeps nobody from starting."""
    failing = Notebook(embedded, OnStart="#!/bin/bash\nsleep 60 &\nexit 3\n")
    found = failing.settled()
    assert found["NotebookInstanceStatus"] == "Failed"
    assert f"notebook-instance-lifecycle-config/{failing.name}' for Notebook Instance" in found["FailureReason"]
    assert "failed (OnStart ended with exit status 3)" in found["FailureReason"]
    assert not process_group.holding(f"{ROOT}={failing.folder / 'root'}")
    with pytest.raises(ClientError, match=r"Status \(Failed\) not in \(\[InService\]\)"):
        failing.client.create_presigned_notebook_instance_url(NotebookInstanceName=failing.name)
    failing.client.delete_notebook_instance(NotebookInstanceName=failing.name)
    failing.client.get_waiter("notebook_instance_deleted").wait(
        NotebookInstanceName=failing.name, WaiterConfig={"Delay": 1}
    )
    assert not failing.folder.exists()


def test_a_stack_whose_script_fails_leaves_no_notebook(embedded):
    cloudformation, stack = embedded.client("cloudformation"), fresh("notebook")
    script = base64.b64encode(b"#!/bin/bash\nexit 3\n").decode()
    resources = {
        "Lifecycle": {
            "Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
            "Properties": {"OnStart": [{"Content": script}]},
        },
        "Notebook": {
            "Type": "AWS::SageMaker::NotebookInstance",
            "Properties": {
                "NotebookInstanceName": stack,
                "InstanceType": "ml.t3.medium",
                "RoleArn": embedded.role(LOGS),
                "LifecycleConfigName": {"Fn::GetAtt": ["Lifecycle", "NotebookInstanceLifecycleConfigName"]},
            },
        },
    }
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}))
    for _ in range(600):
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not found.endswith("IN_PROGRESS"):
            break
        time.sleep(0.05)
    assert found == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
    assert "failed (OnStart ended with exit status 3)" in reasons
    with pytest.raises(ClientError, match="Could not find"):
        embedded.client("sagemaker").describe_notebook_instance(NotebookInstanceName=stack)


def test_a_role_that_is_gone_fails_the_start(embedded):
    own = Notebook(embedded, OnStart="#!/bin/bash\n")
    own.settled()
    own.client.stop_notebook_instance(NotebookInstanceName=own.name)
    own.settled()
    embedded.client("iam").delete_role(RoleName=own.role.rsplit("/", 1)[-1])
    own.client.start_notebook_instance(NotebookInstanceName=own.name)
    found = own.settled()
    assert found["NotebookInstanceStatus"] == "Failed"
    assert f"The role {own.role} does not exist" in found["FailureReason"]


def test_an_address_is_given_to_who_may_ask_and_for_no_set_time(embedded, notebook):
    with pytest.raises(ClientError, match="SessionExpirationDurationInSeconds"):
        notebook.client.create_presigned_notebook_instance_url(
            NotebookInstanceName=notebook.name, SessionExpirationDurationInSeconds=1800
        )
    may = embedded.acting(statement("sagemaker:CreatePresignedNotebookInstanceUrl", "*/other"))
    with pytest.raises(ClientError, match="AccessDenied"):
        embedded.client("sagemaker", may).create_presigned_notebook_instance_url(NotebookInstanceName=notebook.name)
