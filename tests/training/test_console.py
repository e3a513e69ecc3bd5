"""What a log shows of long work: a line now and then, and nothing of short work."""

import pytest

from training import console


def test_a_log_gets_a_line_when_it_is_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with console.progress("decoding", 5) as tick:
        for _ in range(5):
            now += 25
            tick()
    assert capsys.readouterr().out == "decoding: 3 of 5\n"
