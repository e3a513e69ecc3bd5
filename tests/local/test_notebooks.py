"""Notebook instances: their states, and who may do what to which."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh, statement

# The same worker as test_notebook_machines.py: one embedded AWS serves both.
pytestmark = pytest.mark.xdist_group("tests.local.test_notebooks")
SCRIPT = "IyEvYmluL2Jhc2gK"


def status(client, name):
    return client.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"]


def wait(client, what, name):
    client.get_waiter(f"notebook_instance_{what}").wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def notebook(embedded):
    def make(**more):
        name = fresh("notebook")
        given = {"InstanceType": "ml.t3.medium", "RoleArn": embedded.role(ALLOW_ALL), **more}
        embedded.client("sagemaker").create_notebook_instance(NotebookInstanceName=name, **given)
        wait(embedded.client("sagemaker"), "in_service", name)
        return name

    return make


def test_notebook_goes_through_its_states(embedded, notebook):
    client, name = embedded.client("sagemaker"), fresh("notebook")
    client.create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=embedded.role(ALLOW_ALL)
    )
    wait(client, "in_service", name)
    with pytest.raises(ClientError, match=r"Status \(InService\) not in \(\[Stopped, Failed\]\)"):
        client.delete_notebook_instance(NotebookInstanceName=name)
    client.stop_notebook_instance(NotebookInstanceName=name)
    wait(client, "stopped", name)
    listed = client.list_notebook_instances(NameContains=name, StatusEquals="Stopped")["NotebookInstances"]
    assert [one["NotebookInstanceName"] for one in listed] == [name]
    client.delete_notebook_instance(NotebookInstanceName=name)
    wait(client, "deleted", name)


def test_notebook_may_be_stopped_by_its_tag_only(embedded, notebook):
    mine, other = notebook(Tags=[{"Key": "stage", "Value": "dev"}]), notebook(Tags=[{"Key": "stage", "Value": "prod"}])
    allowed = statement(
        "sagemaker:StopNotebookInstance", "*", Condition={"StringEquals": {"aws:ResourceTag/stage": "dev"}}
    )
    client = embedded.client("sagemaker", embedded.acting(allowed))
    client.stop_notebook_instance(NotebookInstanceName=mine)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.stop_notebook_instance(NotebookInstanceName=other)


def test_making_one_needs_leave_to_pass_its_role(embedded):
    client = embedded.client("sagemaker", embedded.acting(statement("sagemaker:CreateNotebookInstance", "*")))
    with pytest.raises(ClientError, match="iam:PassRole"):
        client.create_notebook_instance(
            NotebookInstanceName=fresh("n"), InstanceType="ml.t3.medium", RoleArn=embedded.role(ALLOW_ALL)
        )


def test_without_the_internet_it_needs_a_subnet(embedded):
    with pytest.raises(ClientError, match="needs a SubnetId"):
        embedded.client("sagemaker").create_notebook_instance(
            NotebookInstanceName=fresh("n"),
            InstanceType="ml.t3.medium",
            RoleArn=embedded.role(ALLOW_ALL),
            DirectInternetAccess="Disabled",
        )


def template(role, kind="ml.t3.medium", script=SCRIPT):
    lifecycle = {"OnStart": [{"Content": script}]}
    notebook = {
        "InstanceType": kind,
        "RoleArn": role,
        "LifecycleConfigName": {"Fn::GetAtt": ["Lifecycle", "NotebookInstanceLifecycleConfigName"]},
    }
    return json.dumps(
        {
            "Resources": {
                "Lifecycle": {"Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig", "Properties": lifecycle},
                "Notebook": {"Type": "AWS::SageMaker::NotebookInstance", "Properties": notebook},
            },
            "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Notebook", "NotebookInstanceName"]}}},
        }
    )


def test_notebook_lives_as_its_stack_says(embedded):
    cloudformation, client = embedded.client("cloudformation"), embedded.client("sagemaker")
    stack, role = fresh("notebook"), embedded.role(ALLOW_ALL)

    def settled(what):
        cloudformation.get_waiter(f"stack_{what}_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})

    cloudformation.create_stack(StackName=stack, TemplateBody=template(role))
    settled("create")
    name = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"][0]["OutputValue"]
    found = client.describe_notebook_instance(NotebookInstanceName=name)
    assert (found["NotebookInstanceStatus"], found["InstanceType"]) == ("InService", "ml.t3.medium")

    cloudformation.update_stack(StackName=stack, TemplateBody=template(role, "ml.m5.xlarge", "IyEvYmluL3NoCg=="))
    settled("update")
    found = client.describe_notebook_instance(NotebookInstanceName=name)
    assert (found["NotebookInstanceStatus"], found["InstanceType"]) == ("InService", "ml.m5.xlarge")
    lifecycle = found["NotebookInstanceLifecycleConfigName"]
    hooks = client.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=lifecycle)
    assert hooks["OnStart"] == [{"Content": "IyEvYmluL3NoCg=="}]
    with pytest.raises(ClientError, match=f"{name} uses it"):
        client.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=lifecycle)

    cloudformation.delete_stack(StackName=stack)
    settled("delete")
    with pytest.raises(ClientError, match="Could not find"):
        status(client, name)
