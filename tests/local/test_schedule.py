"""When scheduled actions are due."""

from datetime import UTC, datetime

import pytest

from local.scaling.schedule import Schedule, ScheduleError


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        ("at(2026-03-01T08:00:00)", "UTC", "2026-02-01", "2026-03-01T08:00"),
        ("at(2026-03-01T08:00:00)", "Europe/Berlin", "2026-02-01", "2026-03-01T07:00"),
        ("cron(0 8 * * ? *)", "UTC", "2026-03-01T08:00", "2026-03-02T08:00"),
        ("cron(0 8 ? * MON-FRI *)", "UTC", "2026-11-20T09:00", "2026-11-23T08:00"),
        ("cron(0 8 ? * 2-6 *)", "UTC", "2026-11-20T09:00", "2026-11-23T08:00"),
        ("cron(0 8 * * ? *)", "America/New_York", "2026-07-01", "2026-07-01T12:00"),
        ("cron(0 8 * * ? *)", "America/New_York", "2026-12-01", "2026-12-01T13:00"),
        ("cron(0/20 * * * ? *)", "UTC", "2026-03-01T00:20", "2026-03-01T00:40"),
        ("cron(15 10 L * ? *)", "UTC", "2026-02-01", "2026-02-28T10:15"),
        ("cron(15 10 ? * 6L *)", "UTC", "2026-11-01", "2026-11-27T10:15"),
        ("cron(15 10 ? * 2#1 *)", "UTC", "2026-11-01", "2026-11-02T10:15"),
        ("cron(0 9 15W * ? *)", "UTC", "2026-11-01", "2026-11-16T09:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2026-01-01", "2028-02-29"),
        ("rate(5 minutes)", "UTC", "2026-01-01T00:07", "2026-01-01T00:10"),
        ("rate(1 day)", "UTC", "2026-01-01T00:00", "2026-01-02T00:00"),
    ],
)
def test_next_time_is_found(expression, zone, after, due):
    schedule = Schedule(expression, zone, made=moment("2026-01-01"))
    assert schedule.after(moment(after)) == moment(due)


def test_past_at_is_not_due_again():
    assert Schedule("at(2026-03-01T08:00:00)").after(moment("2026-03-01T08:00")) is None


def test_start_and_end_bound_a_schedule():
    schedule = Schedule("cron(0 8 * * ? *)", start=moment("2026-03-05"), end=moment("2026-03-06T12:00"))
    assert schedule.after(moment("2026-03-01")) == moment("2026-03-05T08:00")
    assert schedule.after(moment("2026-03-06T08:00")) is None


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("every day", "UTC", "none of at"),
        ("at(tomorrow)", "UTC", "yyyy-mm-ddThh:mm:ss"),
        ("rate(5 weeks)", "UTC", "rate"),
        ("rate(0 minutes)", "UTC", "rate"),
        ("cron(0 8 * * ?)", "UTC", "5 fields, 6"),
        ("cron(0 8 * * * *)", "UTC", "needs \\?"),
        ("cron(61 8 * * ? *)", "UTC", "outside of 0 to 59"),
        ("cron(0 8 ? * NOON *)", "UTC", "no number"),
        ("cron(0 8 * * ? *)", "Mars/Olympus", "no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(expression, zone, said):
    with pytest.raises(ScheduleError, match=said):
        Schedule(expression, zone).check()
