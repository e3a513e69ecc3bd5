"""What EC2 bills: boxes that do no work, volumes that nobody uses, snapshots."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ops.spans import in_words
from ops.watch.idlers import GIB, STOP_BY, Ground, Idler, stored

# EC2 publishes a reading every five minutes unless detailed monitoring is paid for.
PERIOD_SECONDS = 300
LOOK_BACK = timedelta(days=3)


def boxes(ground: Ground) -> Iterator[Idler]:
    ec2, limits = ground.stage.client("ec2"), ground.stage.config.operations.idle
    for box in ground.boxes:
        name, kind, since = box["InstanceId"], box["InstanceType"], box["LaunchTime"]
        if box["State"]["Name"] != "running":
            continue
        worked = _last_work(ground, name, since)
        idle = ground.now - worked if worked else timedelta(0)
        if idle >= timedelta(minutes=limits.box_idle_minutes):
            yield Idler(
                "box",
                name,
                in_words(idle),
                f"CPUUtilization below {limits.box_cpu_percent:g} % at its highest, every 5 minutes",
                ground.prices.hourly(kind),
                f"{STOP_BY}aws ec2 stop-instances --instance-ids {name}",
                lambda name=name: ec2.stop_instances(InstanceIds=[name]),  # type: ignore[misc]
            )


def volumes(ground: Ground) -> Iterator[Idler]:
    """Of boxes that are stopped, and what hangs on nothing."""
    ec2 = ground.stage.client("ec2")
    stopped = {
        mapping["Ebs"]["VolumeId"]: box["InstanceId"]
        for box in ground.boxes
        if box["State"]["Name"] == "stopped"
        for mapping in box.get("BlockDeviceMappings", [])
        if "Ebs" in mapping
    }
    pages = ec2.get_paginator("describe_volumes")
    loose = pages.paginate(Filters=[*ground.filters, {"Name": "status", "Values": ["available"]}])
    found = [one for one in loose.search("Volumes[]") if one]
    if stopped:
        of_boxes = pages.paginate(Filters=[{"Name": "volume-id", "Values": sorted(stopped)}])
        found += [one for one in of_boxes.search("Volumes[]") if one]
    for volume in found:
        name, box = volume["VolumeId"], stopped.get(volume["VolumeId"])
        yield Idler(
            f"volume, {volume['Size']} GiB",
            name,
            f"of the stopped box {box}"
            if box
            else f"hangs on nothing, {in_words(ground.now - volume['CreateTime'])} old",
            "its state and its machine's, now",
            stored(ground.prices.other(f"{volume['VolumeType']} GiB-month"), volume["Size"] * GIB),
            "workbench.box.enabled = false takes box and volume away, with what is on it"
            if box
            else f"look at it, then aws ec2 delete-volume --volume-id {name}",
        )


def snapshots(ground: Ground) -> Iterator[Idler]:
    """No stack makes one: somebody did by hand."""
    ec2 = ground.stage.client("ec2")
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=ground.filters)
    for found in pages.search("Snapshots[]"):
        if found:
            name = found["SnapshotId"]
            yield Idler(
                f"snapshot, {found['VolumeSize']} GiB at most",
                name,
                f"{in_words(ground.now - found['StartTime'])} old",
                "in no stack of the stage",
                # What a snapshot is billed for are the blocks that no earlier one holds, which nothing tells.
                None,
                f"aws ec2 delete-snapshot --snapshot-id {name}",
            )


def _last_work(ground: Ground, box: str, since: datetime) -> datetime | None:
    """When it last did more than the stage calls idle; its start where it never did; None without a reading."""
    start = max(since, ground.now - LOOK_BACK)
    found = ground.readings("AWS/EC2:CPUUtilization", {"InstanceId": box}, "Maximum", start, PERIOD_SECONDS)
    least = ground.stage.config.operations.idle.box_cpu_percent
    busy = [at + timedelta(seconds=PERIOD_SECONDS) for at, percent in found.items() if percent >= least]
    return max([start, *busy]) if found else None
