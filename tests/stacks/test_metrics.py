"""Every metric that an alarm or a graph asks for, against the table of what AWS publishes."""

import re

import pytest

from tests import synth
from tests.stacks import variants
from tests.stacks.hosting import VARIANTS
from tests.stacks.metrics_in_templates import asked, widgets
from tests.stacks.published_metrics import PUBLISHED

pytestmark = pytest.mark.xdist_group("synth")


def alarms(templates):
    """Those for people: what takes a deploy back tells nobody but the deploy."""
    return {
        re.sub(r"[0-9A-F]{8}$", "", name): body["Properties"]
        for name, body in synth.resources(templates["operations"], "AWS::CloudWatch::Alarm").items()
    }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_metric_asked_for_is_published(stage):
    found = list(asked(synth.templates(stage)))
    assert len(found) > 20
    for one in found:
        row = PUBLISHED.get((one.namespace, one.name))
        assert row, f"{one.where}: AWS publishes no {one.name} in {one.namespace}"
        assert set(one.dimensions) == row.dimensions, one.where
        assert one.statistic in row.statistics, one.where
        assert "realtime" not in row.not_for, one.where


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_hosting_is_watched_by_what_it_publishes(name):
    changes = VARIANTS[name]
    mode = changes.get("serving__mode", "realtime")
    templates = variants.rooms(**changes)
    for one in asked(templates):
        row = PUBLISHED[one.namespace, one.name]
        assert (set(one.dimensions), mode not in row.not_for) == (row.dimensions, True), one.where
        assert one.statistic in row.statistics, one.where
    watched = {one.dimensions.get("VariantName") for one in asked(templates) if one.where.startswith("operations/")}
    assert watched - {None} == {"primary", *(one["name"] for one in changes.get("serving__variants", []))}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_alarms_are_in_the_unit_that_is_published(stage):
    """Those for people say so; one that only takes a deploy back may leave it to CloudWatch, but not get it wrong."""
    for one in asked(synth.templates(stage)):
        if one.alarms:
            published = PUBLISHED[one.namespace, one.name].unit
            assert one.unit == published or (one.unit is None and not one.where.startswith("operations/")), one.where


@pytest.mark.parametrize("stage", synth.STAGES)
def test_alarms_tell_the_topic_when_they_ring_and_when_it_is_over(stage):
    for name, alarm in alarms(synth.templates(stage)).items():
        assert alarm["AlarmActions"] == alarm["OKActions"], name
        assert len(alarm["AlarmActions"]) == 1, name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_alarms_say_in_words_what_rings_and_in_which_unit(stage):
    for name, alarm in alarms(synth.templates(stage)).items():
        assert re.search(r"\d (Percent|Microseconds|Milliseconds|Seconds|Count)\b", alarm["AlarmDescription"]), name
        assert alarm["AlarmDescription"].endswith("."), name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_silence_is_no_news_but_for_the_watchman(stage):
    """No request is no reading; a sweep that does not run gives none either, and that is what its alarm is for."""
    for name, alarm in alarms(synth.templates(stage)).items():
        watchman = name == "AlarmsSweepSilent"
        assert alarm["TreatMissingData"] == ("missing" if watchman else "notBreaching"), name
        assert alarm.get("InsufficientDataActions") == (alarm["AlarmActions"] if watchman else None), name


@pytest.mark.parametrize("stage", synth.STAGES)
def test_alarms_look_no_further_back_than_cloudwatch_allows(stage):
    """A day, for periods of up to an hour; one of a day may count a single period here."""
    for name, alarm in alarms(synth.templates(stage)).items():
        periods = {
            one.period
            for one in asked({"x": {"Resources": {name: {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}}})
        }
        assert max(periods) * alarm["EvaluationPeriods"] <= 86_400, name
        assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"], name


def test_latency_threshold_is_in_microseconds():
    """SageMaker's unit; 2000 of them would be two milliseconds."""
    found = alarms(variants.rooms(operations__alarms__latency_p99_ms=1234))["AlarmsModelSlow"]
    assert (found["Threshold"], found["Unit"], found["ExtendedStatistic"]) == (1_234_000, "Microseconds", "p99")
    assert "1,234,000 Microseconds (1234 ms)" in found["AlarmDescription"]


def test_share_of_errors_counts_only_where_there_are_requests_enough():
    found = alarms(variants.rooms(operations__alarms__error_min_requests=7, operations__alarms__error_percent=3.5))
    for name in ("AlarmsEndpointErrors", "AlarmsApiErrors", "AlarmsFunctionErrors"):
        (formula,) = [metric for metric in found[name]["Metrics"] if "Expression" in metric]
        assert formula["Expression"] == "IF(requests >= 7, 100 * errors / requests, 0)"
        assert found[name]["Threshold"] == 3.5


def test_every_row_of_the_table_names_its_page():
    for key, row in PUBLISHED.items():
        assert row.page.startswith("https://docs.aws.amazon.com/"), key


def page(**changes):
    return widgets(synth.only(variants.rooms(**changes)["operations"], "AWS::CloudWatch::Dashboard"))


def test_latencies_are_shown_in_milliseconds():
    (graph,) = [one["properties"] for one in page() if one["properties"]["title"] == "Endpoint: latency"]
    formulas = [row[0]["expression"] for row in graph["metrics"] if isinstance(row[0], dict)]
    assert formulas
    assert all(formula.endswith("/ 1000") for formula in formulas)
    assert graph["yAxis"]["left"]["label"] == "ms"


def test_every_axis_says_its_unit():
    for one in page(api__concurrency__provisioned_min=1, api__concurrency__provisioned_max=2):
        for side, axis in one["properties"]["yAxis"].items():
            assert axis["label"], (one["properties"]["title"], side)


def test_warm_environments_are_shown_where_there_are_some():
    cold, warm = page(), page(api__concurrency__provisioned_min=1, api__concurrency__provisioned_max=2)
    assert len(warm) == len(cold) + 1
    (graph,) = [one["properties"] for one in warm if "warm" in one["properties"]["title"]]
    assert {row[1] for row in graph["metrics"]} == {
        "ProvisionedConcurrencyUtilization",
        "ProvisionedConcurrencySpilloverInvocations",
    }


def test_dashboard_can_be_done_without():
    assert not synth.resources(variants.rooms(operations__dashboard=False)["operations"], "AWS::CloudWatch::Dashboard")


@pytest.mark.parametrize("stage", synth.STAGES)
def test_rows_of_the_dashboard_are_full(stage):
    found = widgets(synth.only(synth.templates(stage)["operations"], "AWS::CloudWatch::Dashboard"))
    rows = {}
    for one in found:
        rows.setdefault(one["y"], []).append((one["x"], one["width"]))
    for y, row in rows.items():
        ends = [x + width for x, width in sorted(row)]
        assert [x for x, _ in sorted(row)] == [0, *ends[:-1]], y
        assert ends[-1] == 24, y
