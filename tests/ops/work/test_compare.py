"""Trainings side by side: each number where it belongs, and none that is not known."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console

from ops.errors import NotReached, OperatorError
from ops.prices import Prices
from ops.work import compare
from ops.work.box import Box, Command
from ops.work.compare import FOOTNOTE, Row, cells, kind_of, row_of, rows_of, table
from ops.work.held_out import HeldOut
from ops.work.jobs import TRAINING, TUNING, Job
from ops.work.report import page
from tests.ops.work.test_following import Logs

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def job(name, count=1, seconds=100, kind="ml.m5.xlarge", **metrics):
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "CreationTime": BEGAN,
        "TrainingEndTime": BEGAN + timedelta(seconds=seconds),
        "BillableTimeInSeconds": seconds,
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": count},
        "FinalMetricDataList": [{"MetricName": key, "Value": value} for key, value in metrics.items()],
    }


class SageMaker:
    """A tuning job with these trials: (name, value)."""

    def __init__(self, *trials):
        self.trials = trials

    def get_paginator(self, _):
        metric = "FinalHyperParameterTuningJobObjectiveMetric"
        listed = [
            {
                **job(name),
                **({metric: {"Type": "Maximize", "Value": value}} if value is not None else {}),
            }
            for name, value in self.trials
        ]
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: listed))

    def describe_training_job(self, TrainingJobName):
        return job(TrainingJobName, best_valid_accuracy=dict(self.trials)[TrainingJobName] or 0.0)


def stage(sagemaker=None, *lines):
    clients = {"sagemaker": sagemaker, "logs": Logs(*lines)}
    return SimpleNamespace(client=clients.__getitem__, prices=Prices("us-east-1"))


def test_a_training_has_its_scores_and_its_share_of_the_bill():
    row = row_of(stage(None, "epoch=1 valid_accuracy=0.5"), Job(TRAINING, job("a", count=3, test_accuracy=0.9)))
    assert (row.kind, row.instances) == ("several instances", "3 x ml.m5.xlarge")
    assert (row.test_accuracy, row.test_macro_f1) == (0.9, None)
    assert (row.wall_seconds, row.billed_seconds) == (100, 300)
    assert row.dollars == pytest.approx(0.23 * 300 / 3600)
    assert row.epochs == [{"epoch": 1, "valid_accuracy": 0.5}]


def test_a_tuning_has_its_best_trials_score_for_the_money_of_all():
    tuning = Job(
        TUNING, {"HyperParameterTuningJobName": "t", "CreationTime": BEGAN, "HyperParameterTuningJobStatus": ""}
    )
    row = row_of(stage(SageMaker(("a", 0.5), ("b", 0.7), ("c", None))), tuning)
    assert (row.kind, row.valid_accuracy, row.test_accuracy) == ("tuning's best of 3", 0.7, None)
    assert row.billed_seconds == 300


def tuning(name):
    return Job(
        TUNING,
        {"HyperParameterTuningJobName": name, "CreationTime": BEGAN, "HyperParameterTuningJobStatus": "Completed"},
    )


class Tunings(SageMaker):
    """By their names: `empty` has no trial with a value."""

    def get_paginator(self, call):
        paginators = {"empty": SageMaker(("a", None)), "full": SageMaker(("a", 0.5))}

        def paginate(HyperParameterTuningJobName):
            return paginators[HyperParameterTuningJobName].get_paginator(call).paginate()

        return SimpleNamespace(paginate=paginate)

    def describe_training_job(self, TrainingJobName):
        return job(TrainingJobName, best_valid_accuracy=0.5)


@pytest.fixture
def compared(monkeypatch):
    """What stands in the table, and what was passed over: of these jobs, beside a box whose stack keeps no log."""

    def run(*jobs, names=()):
        box = Box("i-1", None, None, None, None, 0.0)
        command = Command("whippet-dev-box-1", "1", "", "m5.xlarge", BEGAN, {"Status": "Success"})
        monkeypatch.setattr(compare, "lately", lambda *_: list(jobs))
        monkeypatch.setattr(compare, "_named", lambda _, name: tuning(name))
        monkeypatch.setattr(Box, "find", lambda _: box)
        monkeypatch.setattr(Box, "commands", lambda _: [command])
        aws = stage(Tunings())
        aws.name, aws.names = "dev", SimpleNamespace(own_jobs="whippet-dev-")
        rows, passed_over = rows_of(aws, SimpleNamespace(names=names, days=30.0, score=False), "")
        return [row.name for row in rows], passed_over

    return run


def test_what_cannot_be_compared_is_passed_over_and_said(compared):
    rows, passed_over = compared(tuning("empty"), Job(TRAINING, job("a")), tuning("full"))
    assert rows == ["a", "full"]
    log, trials = passed_over
    assert log.startswith("whippet-dev-box-1 is passed over. The workbench stack is older than this checkout")
    assert trials.startswith("empty is passed over. The tuning job empty has no trial with a value")


def test_what_was_named_is_never_passed_over(compared):
    with pytest.raises(OperatorError, match="The tuning job empty has no trial with a value"):
        compared(names=["empty"])


def test_bad_weather_passes_nothing_over(compared, monkeypatch):
    def lost(*_, **__):
        raise NotReached("AWS was not reached.")

    monkeypatch.setattr(compare, "row_of", lost)
    with pytest.raises(NotReached):
        compared(tuning("full"))


def test_the_kind_is_by_instances():
    assert kind_of(Job(TRAINING, job("a"))) == "one instance"
    assert kind_of(Job(TRAINING, job("a", count=2))) == "several instances"


def row(name="a", **more):
    known = {
        "kind": "one instance",
        "instances": "1 x ml.m5.xlarge",
        "valid_accuracy": 0.5,
        "test_accuracy": None,
        "test_macro_f1": None,
        "wall_seconds": 61.2,
        "billed_seconds": 60.0,
        "dollars": None,
        "epochs": [],
    }
    return Row(name, **{**known, **more})


def test_an_unknown_price_is_unpriced_and_an_unknown_score_is_no_zero():
    assert cells(row()) == ["0.5000", "-", "-", "61", "60", "unpriced"]


def test_the_table_fits_80_columns(capsys):
    rows = [row(kind="tuning's best of 750", dollars=1234.5678, wall_seconds=86400, billed_seconds=9999999)]
    Console(width=80, force_terminal=False).print(table(rows))
    said = capsys.readouterr().out
    assert "1,234.5678" in said
    assert "tuning's best of 750" in said
    assert max(map(len, said.splitlines())) <= 80


def test_the_page_is_one_file_with_curves_and_marks_the_best():
    curve = [{"epoch": 1, "valid_accuracy": 0.4}, {"epoch": 2, "valid_accuracy": 0.8}]
    said = page([row("a", epochs=curve), row("<b>", valid_accuracy=0.9)], stage="dev", footnote=FOOTNOTE)
    # The curves of validation, and a piece of its line beside each training.
    assert said.count("<svg") == 1 + 2
    assert "<td class='n best'>0.9000</td>" in said
    assert "No log, and so no curve, of &lt;b&gt;." in said
    # Nothing is fetched: the one address is SVG's own namespace.
    assert "<script" not in said
    assert said.count("http") == said.count("http://www.w3.org/2000/svg")


def test_where_all_are_alike_none_is_best():
    assert "best'" not in page([row("a"), row("b")], stage="dev", footnote=FOOTNOTE)
    assert "best'" not in page([row("a")], stage="dev", footnote=FOOTNOTE)


def test_twenty_trainings_have_twenty_lines_that_can_be_told_apart():
    curve = [{"epoch": 1, "valid_accuracy": 0.4}, {"epoch": 2, "valid_accuracy": 0.8}]
    said = page([row(str(number), epochs=curve) for number in range(20)], stage="dev", footnote=FOOTNOTE)
    lines = re.findall(r"stroke='(#\w+)' stroke-width='3'(?: stroke-dasharray='([^']+)')?", said)
    assert len(set(lines)) == 20


def test_how_a_score_came_about_stands_in_the_page():
    told = HeldOut(0.5, 0.4, "", "score-1", 60.0, 0.0038)
    assert "scored by score-1, 60 s billed, 0.0038 USD" in page([row(held_out=told)], stage="dev", footnote=FOOTNOTE)
