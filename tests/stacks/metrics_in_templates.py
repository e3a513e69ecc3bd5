"""Every metric that an alarm or a dashboard asks for, read out of the templates."""

import json
from dataclasses import dataclass

from tests import synth
from tests.stacks.test_permissions import plain


@dataclass(frozen=True)
class Asked:
    where: str
    namespace: str
    name: str
    dimensions: dict[str, str]
    statistic: str
    unit: str | None
    period: int
    alarms: bool


def asked(templates):
    for room, template in templates.items():
        for name, body in synth.resources(template, "AWS::CloudWatch::Alarm").items():
            yield from _of_alarm(f"{room}/{name}", body["Properties"])
        for name, body in synth.resources(template, "AWS::CloudWatch::Dashboard").items():
            for widget in widgets(body["Properties"]):
                yield from _of_widget(f"{room}/{name}: {widget['properties']['title']}", widget["properties"])


def widgets(dashboard):
    return json.loads(plain(dashboard["DashboardBody"]))["widgets"]


def _of_alarm(where, alarm):
    for metric in alarm.get("Metrics") or [{"MetricStat": {"Metric": alarm, **alarm}}]:
        if "Expression" in metric:
            continue
        stat = metric["MetricStat"]
        yield Asked(
            where,
            stat["Metric"]["Namespace"],
            stat["Metric"]["MetricName"],
            {one["Name"]: plain(one["Value"]) for one in stat["Metric"]["Dimensions"]},
            stat.get("Stat") or stat.get("Statistic") or stat["ExtendedStatistic"],
            stat.get("Unit"),
            stat["Period"],
            True,
        )


def _of_widget(where, widget):
    for row in widget.get("metrics", []):
        rendering = row[-1] if isinstance(row[-1], dict) else {}
        parts = [part for part in row if not isinstance(part, dict)]
        if not parts:
            continue  # a formula
        namespace, name, *pairs = parts
        yield Asked(
            where,
            namespace,
            name,
            dict(zip(pairs[::2], pairs[1::2], strict=True)),
            rendering.get("stat", "Average"),
            None,
            rendering.get("period", widget.get("period", 300)),
            False,
        )
