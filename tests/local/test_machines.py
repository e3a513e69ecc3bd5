"""EC2 instances that run: user data with the role's own credentials, and every state that they go through."""

import base64
import json
import re
import shutil
import time

import pytest
from botocore.exceptions import ClientError

from local import cli, control, process_group
from local.status import sentences, status
from tests.embedded import Embedded, statement
from tests.local.instances import Box

pytestmark = pytest.mark.xdist_group(__name__)
USER_DATA = """#!/bin/bash
set -eu
echo settings >/etc/app.conf
install -d /opt/app
cat >/opt/app/tell.sh <<'PROGRAM'
cat /etc/app.conf
PROGRAM
sh /opt/app/tell.sh
aws sts get-caller-identity --query Arn --output text
echo a model >/tmp/model
aws s3 cp --only-show-errors /tmp/model s3://BUCKET/models/
aws s3 cp --only-show-errors /tmp/model s3://BUCKET/other/ || echo "may not"
echo "boots: $(ls /run/app 2>/dev/null | wc -l)"
"""


@pytest.fixture(scope="module")
def bucket(embedded):
    return embedded.bucket()


@pytest.fixture(scope="module")
def box(embedded, bucket):
    made = Box(
        embedded,
        USER_DATA.replace("BUCKET", bucket),
        statement("s3:PutObject", f"arn:aws:s3:::{bucket}/models/*"),
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "stage", "Value": "test"}]}],
    )
    yield made
    made.terminate()


def test_user_data_runs_with_the_roles_credentials_and_no_others(embedded, box, bucket):
    assert box.launched["State"]["Name"] == "pending"
    said = box.console()
    assert "settings\n" in said
    assert f"assumed-role/{box.role.rsplit('/', 1)[-1]}/{box.identity}" in said
    assert "AccessDenied" in said
    assert "may not" in said
    kept = embedded.client("s3").get_object(Bucket=bucket, Key="models/model")["Body"].read()
    assert kept == b"a model\n"


@pytest.mark.skipif(not shutil.which("curl"), reason="the machine asks for its metadata by curl, which is not here")
def test_metadata_is_the_instances_own(box):
    ask = (
        "TOKEN=$(curl -s -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)"
    )
    get = 'curl -s -H "x-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest'
    found = box.said(ask, f"{get}/meta-data/instance-id; echo", f"{get}/meta-data/tags/instance/stage; echo")
    assert found.split() == [box.identity, "test"]
    document = json.loads(box.said(ask, f"{get}/dynamic/instance-identity/document"))
    assert (document["instanceId"], document["instanceType"]) == (box.identity, "m5.large")
    assert box.said("curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/") == "401"
    assert box.described()["MetadataOptions"]["HttpTokens"] == "required"


def test_a_reboot_keeps_the_disk_and_runs_no_user_data_again(embedded, box):
    box.console()
    box.said("touch /run/before /tmp/before /opt/before")
    before, launched = box.said("cat /run/first-process"), box.described()["LaunchTime"]
    embedded.client("ec2").reboot_instances(InstanceIds=[box.identity])
    for _ in range(200):
        found = box.result(box.send("cat /run/first-process"))["StandardOutputContent"].strip()
        if found not in ("", before):
            break
        time.sleep(0.05)
    assert box.said("ls -d /run/before /tmp/before /opt/before 2>/dev/null; true").endswith("/opt/before")
    assert box.described()["LaunchTime"] == launched
    assert box.console().count("the user data has run") == 2  # on the console and in cloud-init's log, once each


def test_stop_ends_its_processes_and_start_brings_its_disk_back(embedded, box):
    box.console()
    sleeper = int(box.said("nohup sleep 600 >/dev/null 2>&1 & echo $! | tee /opt/sleeper"))
    assert sleeper in processes(embedded)
    box.said("""nohup sh -c 'trap "echo bye >/opt/bye; exit" TERM; while :; do sleep 0.1; done' >/dev/null 2>&1 &""")
    ec2 = embedded.client("ec2")
    answer = ec2.stop_instances(InstanceIds=[box.identity])["StoppingInstances"][0]
    assert (answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]) == ("running", "stopping")
    stopped = box.wait("stopped")
    assert sleeper not in processes(embedded)
    assert stopped["StateTransitionReason"].startswith("User initiated (")
    assert (
        embedded.client("ssm").describe_instance_information(
            Filters=[{"Key": "InstanceIds", "Values": [box.identity]}]
        )["InstanceInformationList"]
        == []
    )
    ec2.start_instances(InstanceIds=[box.identity])
    assert box.said("cat /opt/sleeper /opt/bye").split() == [str(sleeper), "bye"]


def test_status_and_logs_show_it(embedded, box, capfd):
    box.console()
    shown = "\n".join(sentences(status(embedded.running)))
    assert re.search(rf"instance  {box.identity} \(m5.large\): running, takes commands; its disk is /", shown)
    assert cli.main(["logs", "--state", str(embedded.running.home.folder), "--instance", box.identity]) == 0
    assert "settings" in capfd.readouterr().out


def processes(embedded):
    return {one.pid for one in process_group.members(embedded.running.facts.pid)}


def test_shutdown_from_within_stops_it_and_says_so(embedded, box):
    box.result(box.send("sudo shutdown -h now"))
    assert box.wait("stopped")["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    embedded.client("ec2").start_instances(InstanceIds=[box.identity])
    box.wait("running")


def test_a_killed_first_process_stops_it(embedded, box):
    # The worker of the command is no child of that process, so that the command itself goes on to its end.
    box.send("kill -9 $(cat /run/first-process)")
    box.wait("stopped")
    embedded.client("ec2").start_instances(InstanceIds=[box.identity])
    box.wait("running")


def test_states_are_told_as_events(embedded, box):
    events, queues = embedded.client("events"), embedded.client("sqs")
    name = f"states-{box.identity}"
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    target = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    pattern = {"source": ["aws.ec2"], "detail": {"instance-id": [box.identity], "state": ["stopped"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": target}])
    embedded.client("ec2").stop_instances(InstanceIds=[box.identity], Force=True)
    box.wait("stopped")
    (message,) = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["detail-type"] == "EC2 Instance State-change Notification"
    embedded.client("ec2").start_instances(InstanceIds=[box.identity])
    box.wait("running")


def test_each_instance_of_a_call_is_asked_about(embedded, box):
    other = Box(embedded)
    arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{other.identity}"
    keys = embedded.acting(statement("ec2:StopInstances", arn))
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        embedded.client("ec2", keys).stop_instances(InstanceIds=[other.identity, box.identity])
    other.wait("running")
    embedded.client("ec2", keys).stop_instances(InstanceIds=[other.identity])
    other.wait("stopped")
    other.terminate()


def test_what_is_installed_on_it_stays_on_it(box):
    assert box.said("echo $PIP_TARGET").endswith("/root/usr/local/lib/python")
    box.said("mkdir -p /usr/local/lib/python && echo 'there = 1' >/usr/local/lib/python/only_here.py")
    assert box.said("sudo python3 -c 'import only_here; print(only_here.there)'") == "1"


def test_timers_elapse_and_the_load_is_the_instances_own(fast):
    """A minute of a timer is a fifth of a second there."""
    made = Box(
        fast,
        "#!/bin/bash\n"
        "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh /opt/tick.sh\\n' >/etc/systemd/system/tick.service\n"
        "printf '[Timer]\\nOnBootSec=1min\\nOnUnitActiveSec=1min\\n[Install]\\nWantedBy=timers.target\\n' "
        ">/etc/systemd/system/tick.timer\n"
        "echo 'echo x >>/opt/ticks; [ $(wc -l </opt/ticks) -lt 3 ] || shutdown -h now' >/opt/tick.sh\n"
        "systemctl daemon-reload && systemctl enable --now tick.timer\n",
    )
    assert float(made.said("cut -d' ' -f1 /proc/loadavg")) < 0.5
    made.wait("stopped")
    fast.client("ec2").start_instances(InstanceIds=[made.identity])
    # The timer was enabled, so that it is there after a boot.
    made.wait("stopped")
    made.terminate()


def test_one_that_is_stopped_while_it_boots_stops(embedded):
    made = Box(embedded)
    embedded.client("ec2").stop_instances(InstanceIds=[made.identity])
    made.wait("stopped")
    made.terminate()


def test_a_terminated_one_leaves_nothing_behind(embedded):
    made = Box(embedded, "#!/bin/sh\nsleep 600\n")
    folder = embedded.running.home.machines / made.identity
    made.wait("running")
    assert folder.is_dir()
    made.terminate()
    assert not folder.exists()
    with pytest.raises(ClientError, match="not in a valid state"):
        embedded.client("ssm").send_command(
            InstanceIds=[made.identity], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}
        )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"#cloud-config\npackages: [x]\n", "not available in the embedded AWS"),
        (b"#!/bin/sh\n" + b"#" * 16384, "limited to 16384 bytes"),
    ],
    ids=["cloud-config", "too long"],
)
def test_user_data_that_would_not_run_is_refused(embedded, data, said):
    with pytest.raises(ClientError, match=said):
        embedded.client("ec2").run_instances(
            ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, UserData=data.decode()
        )


def test_launching_by_the_api_needs_leave_to_pass_the_profiles_role(embedded, box):
    keys = embedded.acting(statement("ec2:RunInstances", "*"))
    launch = {"ImageId": "ami-0123456789abcdef0", "MinCount": 1, "MaxCount": 1}
    with pytest.raises(ClientError, match="iam:PassRole"):
        embedded.client("ec2", keys).run_instances(**launch, IamInstanceProfile={"Arn": box.profile})
    template = embedded.client("ec2").create_launch_template(
        LaunchTemplateName=f"t-{box.identity}", LaunchTemplateData={"IamInstanceProfile": {"Arn": box.profile}}
    )["LaunchTemplate"]["LaunchTemplateId"]
    with pytest.raises(ClientError, match="iam:PassRole"):
        embedded.client("ec2", keys).run_instances(**launch, LaunchTemplate={"LaunchTemplateId": template})


def test_a_launch_template_says_what_the_call_does_not(embedded, box):
    ec2 = embedded.client("ec2")
    data = {
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "c5.large",
        "UserData": base64.b64encode(b"#!/bin/sh\necho by the template\n").decode(),
        "MetadataOptions": {"HttpTokens": "required"},
        "InstanceInitiatedShutdownBehavior": "terminate",
    }
    named = {"LaunchTemplateName": f"u-{box.identity}"}
    ec2.create_launch_template(**named, LaunchTemplateData=data)
    made = Box(embedded, LaunchTemplate=named)
    assert "by the template" in made.console()
    assert made.described()["MetadataOptions"]["HttpTokens"] == "required"
    made.send("shutdown -h now")
    made.wait("terminated")


@pytest.mark.slow
def test_running_instances_come_up_again_with_the_embedded_aws(tmp_path):
    state = tmp_path / "a folder with spaces"
    first = Embedded(control.start(state=state, port=0))
    try:
        made = Box(first, "#!/bin/sh\necho kept >/opt/kept\n")
        made.console()
        made.send("sleep 600")
        control.stop(state)
        made.embedded = Embedded(control.start(state=state, port=0))
        assert made.said("cat /opt/kept; python3 -c 'print(open(\"/opt/kept\").read())'").split() == ["kept", "kept"]
        interrupted = made.embedded.client("ssm").list_command_invocations(InstanceId=made.identity)
        assert "Terminated" in [one["StatusDetails"] for one in interrupted["CommandInvocations"]]
        made.terminate()
    finally:
        control.stop(state)
