"""Instances for tests, and what their agents are told."""

import time

from tests.embedded import Embedded, fresh, statement

AGENT = (
    statement("ssm:UpdateInstanceInformation", "*"),
    statement(
        [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        "*",
    ),
)


class Box:
    """An instance that its agent reports for, launched by the API."""

    def __init__(self, embedded: Embedded, user_data: str = "", *statements, agent: bool = True, **launch):
        self.embedded = embedded
        self.role = embedded.role(*(AGENT if agent else ()), *statements, service="ec2")
        iam, name = embedded.client("iam"), fresh("profile")
        self.profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=self.role.rsplit("/", 1)[-1])
        launched = embedded.client("ec2").run_instances(
            ImageId="ami-0123456789abcdef0",
            InstanceType="m5.large",
            MinCount=1,
            MaxCount=1,
            IamInstanceProfile={"Arn": self.profile},
            **({"UserData": user_data} if user_data else {}),
            **launch,
        )
        self.launched = launched["Instances"][0]
        self.identity = self.launched["InstanceId"]

    def described(self):
        found = self.embedded.client("ec2").describe_instances(InstanceIds=[self.identity])
        return found["Reservations"][0]["Instances"][0]

    def wait(self, state):
        for _ in range(600):
            found = self.described()
            if found["State"]["Name"] == state:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{self.identity} is {found['State']['Name']}, not {state}")

    def console(self, until="the user data"):
        """What it has said once its user data has ended."""
        for _ in range(600):
            said = self.embedded.client("ec2").get_console_output(InstanceId=self.identity).get("Output", "")
            if until in said:
                return said
            time.sleep(0.05)
        raise AssertionError(said)

    def send(self, *commands, keys=None, **more):
        """The command's id."""
        self.wait("running")
        parameters = {"commands": list(commands), **more.pop("parameters", {})}
        sent = self.embedded.client("ssm", keys).send_command(
            InstanceIds=[self.identity], DocumentName="AWS-RunShellScript", Parameters=parameters, **more
        )
        return sent["Command"]["CommandId"]

    def result(self, command):
        for _ in range(600):
            found = self.invocation(command)
            if found["Status"] not in ("Pending", "InProgress", "Cancelling"):
                return found
            time.sleep(0.03)
        raise AssertionError(found)

    def invocation(self, command):
        return self.embedded.client("ssm").get_command_invocation(CommandId=command, InstanceId=self.identity)

    def said(self, *commands):
        """By a script that succeeds."""
        found = self.result(self.send(*commands))
        assert found["Status"] == "Success", found
        return found["StandardOutputContent"].strip()

    def terminate(self):
        self.embedded.client("ec2").terminate_instances(InstanceIds=[self.identity])
        return self.wait("terminated")
