"""What watches and tells nothing: logs that are kept for ever, alarms without anything to judge."""

from collections.abc import Iterator
from datetime import timedelta

from ops.prices import HOURS_A_MONTH
from ops.spans import in_words
from ops.watch.idlers import Ground, Idler, is_worth_telling, stored

WEEK = timedelta(days=7)
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"


def endless_logs(ground: Ground) -> Iterator[Idler]:
    """The endpoint's, which SageMaker makes and keeps for ever. Those of jobs are the whole account's."""
    endpoint = (ground.stage.find("serving") or {}).get("EndpointName")
    if endpoint is None:
        return
    name = f"{ENDPOINT_LOGS}{endpoint}"
    pages = ground.stage.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    for found in pages.search("logGroups[]"):
        if found and found["logGroupName"] == name and "retentionInDays" not in found:
            costs = stored(ground.prices.other("log GiB-month"), found.get("storedBytes", 0))
            if is_worth_telling(costs):
                yield Idler(
                    f"log, {found.get('storedBytes', 0) / 1e9:.1f} GB",
                    name,
                    "kept for ever",
                    "it has no retention",
                    costs,
                    f"aws logs put-retention-policy --retention-in-days 30 --log-group-name {name}",
                )


def silent_alarms(ground: Ground) -> Iterator[Idler]:
    """The stage's own; what scaling made for itself waits for requests by design."""
    names = [
        one for room in ("operations", "serving") for one in ground.stage.resources(room, "AWS::CloudWatch::Alarm")
    ]
    if not names:
        return
    month = ground.prices.other("alarm month")
    pages = ground.stage.client("cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(AlarmNames=names, StateValue="INSUFFICIENT_DATA")
    for alarm in found.search("MetricAlarms[]"):
        age = ground.now - alarm["StateUpdatedTimestamp"] if alarm else timedelta(0)
        if age >= WEEK:
            yield Idler(
                "alarm",
                alarm["AlarmName"],
                f"nothing to judge for {in_words(age)}",
                "its state, INSUFFICIENT_DATA",
                None if month is None else month / HOURS_A_MONTH,
                "see whether what it watches is still there; [operations.alarms] says what is watched",
            )
