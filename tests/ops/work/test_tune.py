"""A tuning followed: its table as it is watched, its lines in a log, its end; and what coming back to it leaves alone."""

import io
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from ops.errors import OperatorError, WorkFailed
from ops.prices import Prices
from ops.work import attach, held_out, tune
from ops.work.jobs import TRAINING, TUNING, Job
from ops.work.scoring import Scoring
from ops.work.screen import Screen
from tests.ops.work.test_following import Logs

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CONTROL_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def trial(number, status="Completed", value=None, **more):
    metric = {"MetricName": "best_valid_accuracy", "Type": "Maximize", "Value": value}
    return {
        "TrainingJobName": f"t-{number}",
        "TrainingJobStatus": status,
        "CreationTime": BEGAN + timedelta(seconds=number),
        "TrainingEndTime": BEGAN + timedelta(seconds=number + 20),
        "TunedHyperParameters": {"learning-rate": f"0.00{number}1234"},
        **({"FinalHyperParameterTuningJobObjectiveMetric": metric} if value is not None else {}),
        **more,
    }


class SageMaker:
    """A tuning job as one look after the other finds it: (its status, its trials). It begins nothing."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.trials = []

    def describe_hyper_parameter_tuning_job(self, HyperParameterTuningJobName):
        status, self.trials = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {
            "HyperParameterTuningJobName": HyperParameterTuningJobName,
            "HyperParameterTuningJobStatus": status,
            "CreationTime": BEGAN,
            "FailureReason": "All trials failed",
            "HyperParameterTuningJobConfig": {
                "HyperParameterTuningJobObjective": {"MetricName": "best_valid_accuracy"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2},
            },
        }

    def describe_training_job(self, TrainingJobName):
        return {
            **next(one for one in self.trials if one["TrainingJobName"] == TrainingJobName),
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/runs/r/trials"},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/runs/r/data/train/"}}}
            ],
        }

    def get_paginator(self, _):
        return SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: self.trials))

    def __getattr__(self, call):
        raise AssertionError(f"{call} was called")


def stage(sagemaker, *lines):
    clients = {"sagemaker": sagemaker, "logs": Logs(*lines)}
    account = SimpleNamespace(poll_seconds=0.0)
    return SimpleNamespace(name="dev", client=clients.__getitem__, account=account, prices=Prices("us-east-1"))


def looks():
    return (
        ("InProgress", [trial(1, "InProgress")]),
        ("InProgress", [trial(1, "InProgress")]),
        ("InProgress", [trial(1, value=0.5), trial(2, "InProgress")]),
        ("Completed", [trial(1, value=0.5), trial(2, value=0.75)]),
    )


def test_on_a_terminal_a_table_updates_and_a_star_marks_the_best(monkeypatch):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, legacy_windows=False)
    monkeypatch.setattr(tune, "Screen", partial(Screen, console=console))
    assert tune.follow(stage(SageMaker(*looks())), "t").status == "Completed"
    said = CONTROL_CODES.sub("", out.getvalue())
    # One table over the other, each with the states of its moment.
    first, second, third, *_ = re.split(r"t  (?:InProgress|Completed)", said)[1:]
    assert re.search(r"^ +1 +InProgress +0\.00112", first, re.MULTILINE)
    assert "0.5000" not in first
    assert re.search(r"^ *\* +1 +Completed +0\.00112 +0\.5000 +20 s", second, re.MULTILINE)
    assert re.search(r"^ +1 +Completed +0\.00112 +0\.5000", third, re.MULTILINE)
    assert re.search(r"^ *\* +2 +Completed +0\.00212 +0\.7500", third, re.MULTILINE)


def test_in_a_log_each_trial_has_a_line_when_it_has_ended(capsys):
    tune.follow(stage(SageMaker(*looks())), "t")
    assert capsys.readouterr().err.splitlines() == [
        "t: 2 trials for the best best_valid_accuracy",
        "  t-1  Completed  best_valid_accuracy 0.5000  (learning-rate 0.00112)  20 s",
        "  t-2  Completed  best_valid_accuracy 0.7500  (learning-rate 0.00212)  20 s",
    ]


@pytest.mark.parametrize(
    ("status", "trials", "said"),
    [
        ("Stopped", [trial(1, value=0.5)], "The tuning job t was stopped; 1 trials had begun."),
        ("Failed", [], "The tuning job t failed: All trials failed"),
        (
            "Failed",
            [trial(1, "Failed", FailureReason="exit 1")],
            "The tuning job t failed: All trials failed\nThe last lines of the log of t-1:\n  one\n  two",
        ),
    ],
)
def test_a_tuning_that_ends_badly_says_why_with_the_last_words_of_a_trial(status, trials, said):
    with pytest.raises(WorkFailed) as told:
        tune.follow(stage(SageMaker((status, trials)), "one", "two"), "t")
    assert str(told.value) == said


@pytest.fixture
def attached(monkeypatch, tmp_path):
    """`attach` of a tuning that has ended, in a folder that is empty, where nobody has scored anything."""

    def run(kind=TUNING, plot=None):
        sagemaker = SageMaker(looks()[-1])
        found = Job(kind, {"HyperParameterTuningJobName": "t"})
        monkeypatch.setattr(attach.Stage, "open", lambda *_: stage(sagemaker))
        monkeypatch.setattr(attach, "anything", lambda *_: found)
        monkeypatch.setattr(Scoring, "known", lambda _: None)
        monkeypatch.setattr(Scoring, "under_way", lambda _: pytest.fail("a scoring job was started"))
        monkeypatch.setattr(held_out, "_why_not", lambda *_, **__: "")
        monkeypatch.chdir(tmp_path)
        return attach.run(SimpleNamespace(stage="dev", stages=None, name="t", json=False, plot=plot))

    return run


def test_coming_back_to_a_tuning_starts_nothing_and_says_how_to_have_it_scored(attached, capsys, tmp_path):
    assert attached() == 0
    assert "a short processing job would score it: `python -m ops compare t --stage dev`" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_plot_is_drawn_where_it_is_asked_for_and_only_of_a_tuning(attached, tmp_path):
    assert attached(plot=Path("trials.svg")) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["trials.svg"]
    with pytest.raises(OperatorError, match="--plot draws the trials of a tuning job, and t is none"):
        attached(TRAINING, Path("trials.svg"))
