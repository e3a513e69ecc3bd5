"""Notebook instances for tests, each with lifecycle scripts and a role of its own."""

import base64
import time

from local.sagemaker.notebook_machine import LOG_GROUP
from tests.embedded import fresh, statement

LOGS = statement(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "*")


class Notebook:
    """OnCreate and OnStart are what its scripts say."""

    def __init__(self, embedded, *statements, OnCreate="", OnStart="", **more):
        self.embedded, self.client = embedded, embedded.client("sagemaker")
        hooks = {"OnCreate": OnCreate, "OnStart": OnStart}
        self.name, self.role = fresh("notebook"), embedded.role(*statements)
        scripts = {
            hook: [{"Content": base64.b64encode(text.encode()).decode()}] for hook, text in hooks.items() if text
        }
        self.client.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=self.name, **scripts)
        self.client.create_notebook_instance(
            NotebookInstanceName=self.name,
            InstanceType="ml.t3.medium",
            RoleArn=self.role,
            LifecycleConfigName=self.name,
            **more,
        )

    def described(self):
        return self.client.describe_notebook_instance(NotebookInstanceName=self.name)

    def settled(self):
        """Its description once nothing is under way."""
        for _ in range(600):
            found = self.described()
            if found["NotebookInstanceStatus"] in ("InService", "Stopped", "Failed"):
                return found
            time.sleep(0.05)
        raise AssertionError(found)

    def log(self, hook):
        stream = f"{self.name}/LifecycleConfig{hook}"
        events = self.embedded.client("logs").get_log_events(logGroupName=LOG_GROUP, logStreamName=stream)["events"]
        return [event["message"] for event in events]

    @property
    def folder(self):
        facts = self.embedded.running.facts
        return self.embedded.running.home.notebook(facts.account, facts.region, self.name)
