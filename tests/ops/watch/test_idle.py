"""What bills and does nothing: each kind by its own sign of work, priced or unpriced, and stopped where that loses nothing."""

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import pytest

from ops.stage import Stage
from ops.watch import idle, idle_machines, idle_services
from ops.watch.idlers import Ground, times, whole
from tests.ops.stubbed import scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGO = {hours: NOW - timedelta(hours=hours) for hours in (1, 2, 10, 30, 400)}
ENDPOINT = {"serving": {"EndpointName": "e"}}


def ground(stage):
    return Ground(stage, NOW)


def instance(state, since, kind="m5.xlarge", name="i-1", **more):
    return {
        "Reservations": [
            {
                "Instances": [
                    {"InstanceId": name, "InstanceType": kind, "State": {"Name": state}, "LaunchTime": since, **more}
                ]
            }
        ]
    }


def readings(**points):
    return {
        "Datapoints": [
            {"Timestamp": NOW - timedelta(minutes=int(at[1:])), "Maximum": value} for at, value in points.items()
        ]
    }


def boxes(monkeypatch, since, points, **more):
    stage, script = scripted(monkeypatch)
    script.says("ec2", "describe_instances", instance("running", since, **more))
    script.says("cloudwatch", "get_metric_statistics", points)
    return list(idle_machines.boxes(ground(stage)))


def test_a_box_that_has_done_nothing_for_its_time_is_idle_and_priced(monkeypatch):
    (found,) = boxes(monkeypatch, AGO[10], readings(m10=1.0, m130=90.0))
    assert (found.name, found.idle_for, found.usd_an_hour) == ("i-1", "2 hours", 0.192)


def test_a_box_that_works_or_has_just_started_or_says_nothing_yet_is_not(monkeypatch):
    assert boxes(monkeypatch, AGO[10], readings(m10=90.0)) == []
    assert boxes(monkeypatch, NOW - timedelta(minutes=20), readings(m10=1.0)) == []
    assert boxes(monkeypatch, AGO[10], readings()) == []


def test_a_type_without_a_known_price_is_unpriced_and_not_free(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.says("ec2", "describe_instances", instance("running", AGO[10], kind="m5.24xlarge"))
    script.says("cloudwatch", "get_metric_statistics", readings(m10=1.0))
    script.refuses("pricing", "get_products", "AccessDeniedException", "no")
    (found,) = idle_machines.boxes(ground(stage))
    assert found.usd_an_hour is None
    assert "These credentials may not call GetProducts: no" in stage.prices.source


def test_boxes_are_looked_for_by_the_stages_tags(monkeypatch):
    stage, script = scripted(monkeypatch)
    filters = [{"Name": "tag:project", "Values": ["whippet"]}, {"Name": "tag:stage", "Values": ["dev"]}]
    script.says("ec2", "describe_instances", {"Reservations": []}, {"Filters": filters})
    assert list(idle_machines.boxes(ground(stage))) == []
    script.done()


def test_volumes_of_a_stopped_box_and_on_nothing_bill(monkeypatch):
    stage, script = scripted(monkeypatch)
    mappings = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeId": "vol-1"}}]
    script.says("ec2", "describe_instances", instance("stopped", AGO[30], BlockDeviceMappings=mappings))
    loose = {"VolumeId": "vol-2", "Size": 10, "VolumeType": "io2", "CreateTime": AGO[400]}
    script.says("ec2", "describe_volumes", {"Volumes": [loose]})
    own = {"VolumeId": "vol-1", "Size": 120, "VolumeType": "gp3", "CreateTime": AGO[400]}
    script.says("ec2", "describe_volumes", {"Volumes": [own]})
    found = {one.name: one for one in idle_machines.volumes(ground(stage))}
    assert found["vol-1"].usd_an_hour == pytest.approx(120 * 0.08 / 730)
    assert found["vol-1"].idle_for == "of the stopped box i-1"
    assert found["vol-2"].idle_for == "hangs on nothing, 16 days old"
    assert found["vol-2"].usd_an_hour is None
    assert all(one.stop is None for one in found.values())


def notebook(monkeypatch, tags, started):
    stage, script = scripted(monkeypatch)
    arn = "arn:aws:sagemaker:us-east-1:111122223333:notebook-instance/n"
    listed = {
        "NotebookInstanceName": "n",
        "NotebookInstanceArn": arn,
        "InstanceType": "ml.t3.medium",
        "LastModifiedTime": started,
    }
    script.says("sagemaker", "list_notebook_instances", {"NotebookInstances": [listed]}, {"StatusEquals": "InService"})
    script.says("sagemaker", "list_tags", {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})
    return list(idle_services.notebooks(ground(stage)))


def test_a_notebook_that_was_started_long_ago_is_told_and_anothers_is_not(monkeypatch):
    ours = {"project": "whippet", "stage": "dev"}
    (found,) = notebook(monkeypatch, ours, AGO[30])
    assert (found.idle_for, found.usd_an_hour) == ("30 hours since its start", 0.05)
    assert notebook(monkeypatch, ours, AGO[10]) == []
    assert notebook(monkeypatch, ours | {"stage": "prod"}, AGO[30]) == []


def endpoint(monkeypatch, made, requests, status="InService"):
    stage, script = scripted(monkeypatch, ENDPOINT)
    arn = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/e"
    config_arn = arn.replace("endpoint/", "endpoint-config/")
    variants = [{"VariantName": "primary", "CurrentInstanceCount": 2}]
    script.says(
        "sagemaker",
        "describe_endpoint",
        {
            "EndpointName": "e",
            "EndpointArn": arn,
            "EndpointConfigName": "c",
            "EndpointStatus": status,
            "CreationTime": made,
            "LastModifiedTime": made,
            "ProductionVariants": variants,
        },
    )
    script.says("cloudwatch", "get_metric_statistics", {"Datapoints": [{"Timestamp": NOW, "Sum": float(requests)}]})
    script.says(
        "sagemaker",
        "describe_endpoint_config",
        {
            "EndpointConfigName": "c",
            "EndpointConfigArn": config_arn,
            "CreationTime": made,
            "ProductionVariants": [{"VariantName": "primary", "InstanceType": "ml.m5.large"}],
        },
    )
    return list(idle_services.endpoint(ground(stage)))


def test_an_endpoint_without_a_request_bills_for_every_instance_and_is_never_stopped(monkeypatch):
    (found,) = endpoint(monkeypatch, AGO[400], 0)
    assert (found.idle_for, found.usd_an_hour, found.stop) == ("no request for 7 days", 0.23, None)


def test_an_endpoint_that_is_asked_or_young_or_not_in_service_is_not_idle(monkeypatch):
    assert endpoint(monkeypatch, AGO[400], 1) == []
    assert endpoint(monkeypatch, AGO[30], 0) == []
    assert endpoint(monkeypatch, AGO[400], 0, status="Updating") == []


def warm(monkeypatch, modified, calls):
    stage, script = scripted(monkeypatch, {"api": {"PredictFunctionName": "f"}})
    found = {"AllocatedProvisionedConcurrentExecutions": 2, "LastModified": modified.isoformat()}
    script.says("lambda", "get_provisioned_concurrency_config", found, {"FunctionName": "f", "Qualifier": "live"})
    script.says("cloudwatch", "get_metric_statistics", {"Datapoints": [{"Timestamp": NOW, "Sum": float(calls)}]})
    script.says("lambda", "get_function_configuration", {"MemorySize": 512, "Architectures": ["arm64"]})
    return list(idle_services.warm_functions(ground(stage)))


def test_warm_environments_that_nobody_calls_bill_by_their_memory(monkeypatch):
    (found,) = warm(monkeypatch, AGO[30], 0)
    assert (found.what, found.usd_an_hour) == ("2 warm environments", pytest.approx(2 * 0.5 * 0.0000033333 * 3600))
    assert warm(monkeypatch, AGO[30], 1) == []
    assert warm(monkeypatch, AGO[1], 0) == []


def test_a_function_without_warm_environments_bills_nothing(monkeypatch):
    stage, script = scripted(monkeypatch, {"api": {"PredictFunctionName": "f"}})
    script.refuses("lambda", "get_provisioned_concurrency_config", "ProvisionedConcurrencyConfigNotFoundException")
    assert list(idle_services.warm_functions(ground(stage))) == []


def opened(monkeypatch, looks, *boxes):
    stage, script = scripted(monkeypatch)
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(idle, "LOOKS", looks)
    reservations = [instance("running", NOW - timedelta(days=2), name=name)["Reservations"][0] for name in boxes]
    script.says("ec2", "describe_instances", {"Reservations": reservations})
    for _ in boxes:
        old = {"Datapoints": [{"Timestamp": NOW - timedelta(days=1), "Maximum": 1.0}]}
        script.says("cloudwatch", "get_metric_statistics", old)
    return script


def swept(monkeypatch, capsys, *, stop):
    script = opened(monkeypatch, {"boxes": idle_machines.boxes, "notebooks": idle_services.notebooks}, "i-1")
    if stop:
        script.says("ec2", "stop_instances", {"StoppingInstances": []}, {"InstanceIds": ["i-1"]})
    script.refuses("sagemaker", "list_notebook_instances", "AccessDeniedException", "no")
    assert idle.run(Namespace(stage="dev", stages=None, stop=stop, json=True)) == 3
    script.done()
    return json.loads(capsys.readouterr().out)


def test_without_stop_nothing_is_touched_and_what_was_not_seen_is_said(monkeypatch, capsys):
    found = swept(monkeypatch, capsys, stop=False)
    assert ([one["name"] for one in found["idle"]], found["stopped"], found["usd_an_hour"]) == (["i-1"], [], 0.192)
    assert found["not_looked_at"] == ["notebooks: These credentials may not call ListNotebookInstances: no"]


def test_stop_stops_what_loses_nothing(monkeypatch, capsys):
    assert swept(monkeypatch, capsys, stop=True)["stopped"] == ["i-1"]


def test_one_that_aws_does_not_stop_is_named_and_the_others_have_their_turn(monkeypatch, capsys):
    script = opened(monkeypatch, {"boxes": idle_machines.boxes}, "i-1", "i-2", "i-3")
    script.says("ec2", "stop_instances", {"StoppingInstances": []}, {"InstanceIds": ["i-1"]})
    script.refuses("ec2", "stop_instances", "UnauthorizedOperation", "no")
    script.says("ec2", "stop_instances", {"StoppingInstances": []}, {"InstanceIds": ["i-3"]})
    assert idle.run(Namespace(stage="dev", stages=None, stop=True, json=True)) == 3
    said = capsys.readouterr()
    assert json.loads(said.out)["stopped"] == ["i-1", "i-3"]
    assert json.loads(said.out)["not_stopped"] == {"i-2": "These credentials may not call StopInstances: no"}
    assert said.err == "i-2 was not stopped: These credentials may not call StopInstances: no\n"


def test_each_finding_says_what_it_costs_how_it_was_judged_and_how_it_ends(monkeypatch, capsys):
    opened(monkeypatch, {"boxes": idle_machines.boxes}, "i-1")
    assert idle.run(Namespace(stage="dev", stages=None, stop=False, json=False)) == 0
    assert capsys.readouterr().out.splitlines() == [
        " 0.1920 an hour  box: i-1",
        "                 2 days (CPUUtilization below 5 % at its highest, every 5 minutes)",
        "                 ends with: --stop, or aws ec2 stop-instances --instance-ids i-1",
        "0.1920 USD an hour in all, 140.16 a month.",
        "Prices of us-east-1, on demand, by the dated snapshot in ops/prices.toml.",
    ]


def test_a_sum_with_an_unknown_part_is_unknown():
    assert whole([1.0, 2.0]) == 3.0
    assert whole([1.0, None]) is None
    assert times(None, 3) is None
