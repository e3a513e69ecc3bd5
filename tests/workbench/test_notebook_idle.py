"""A notebook's idleness, as Jupyter tells it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from workbench import notebook_idle

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def kernel(minutes, state="idle"):
    return {"execution_state": state, "last_activity": (NOW - timedelta(minutes=minutes)).isoformat()}


def terminal(minutes):
    return {"name": "1", "last_activity": (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


@pytest.mark.parametrize(
    ("active", "started", "idle"),
    [
        ([], 300, 300),
        ([], 3, 3),
        ([kernel(90)], 300, 90),
        ([kernel(90), terminal(20)], 300, 20),
        ([kernel(90), kernel(200, "busy")], 300, 0),
        ([kernel(90)], 10, 10),
    ],
)
def test_idle_minutes_count_from_the_last_activity_or_the_start(active, started, idle):
    assert notebook_idle.idle_minutes(active, NOW - timedelta(minutes=started), NOW) == pytest.approx(idle)


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """What it said to AWS, where Jupyter shows one kernel that was last active so many minutes ago."""
    calls = []
    (tmp_path / "metadata.json").write_text(
        json.dumps({"ResourceName": "Mine", "ResourceArn": "arn:aws:sagemaker:eu-west-1:1:notebook-instance/mine"})
    )
    monkeypatch.setattr(notebook_idle, "METADATA", tmp_path / "metadata.json")
    monkeypatch.setattr(notebook_idle, "started", lambda *_: NOW - timedelta(days=1))

    class Done:
        returncode = 0

    def run(command, **_):
        calls.append(command)
        return Done()

    monkeypatch.setattr(notebook_idle.subprocess, "run", run)

    def idle_for(minutes):
        activity = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
        shown = {"kernels": [{"execution_state": "idle", "last_activity": activity}], "terminals": []}
        monkeypatch.setattr(notebook_idle, "asked", shown.__getitem__)
        return notebook_idle.main(["60"]), calls

    return idle_for


def test_idle_notebook_stops_itself_by_name_in_its_region(notebook):
    status, calls = notebook(61)
    stop = ["sagemaker", "stop-notebook-instance", "--notebook-instance-name", "Mine"]
    assert (status, calls) == (0, [["aws", "--region", "eu-west-1", *stop]])


def test_notebook_at_work_goes_on(notebook):
    assert notebook(59) == (0, [])


def test_silent_jupyter_is_no_reason_to_stop_and_is_said(notebook, monkeypatch, capsys):
    notebook(0)

    def silent(_):
        raise OSError("connection refused")

    monkeypatch.setattr(notebook_idle, "asked", silent)
    assert notebook_idle.main(["60"]) == 1
    assert "Jupyter does not say what it does: connection refused" in capsys.readouterr().err
