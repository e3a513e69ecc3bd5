"""Spans of time as a person would say them: as short as a column wants, in words, or to the second."""

from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def short(seconds: float) -> str:
    """With the one unit that matters: "3 min"."""
    for size, unit in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def in_words(span: timedelta) -> str:
    """As in "idle for 30 hours"."""
    seconds = span.total_seconds()
    if seconds >= 2 * DAY:
        return f"{span.days} days"
    return f"{seconds // HOUR:.0f} hours" if seconds >= 2 * HOUR else f"{seconds // MINUTE:.0f} minutes"


def exact(seconds: float) -> str:
    """ "1 h 5 min", "2 min 3 s"."""
    minutes, rest = divmod(round(seconds), MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
