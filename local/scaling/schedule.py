"""at(...), rate(...) and cron(...) of scheduled actions: when the next one is due, in whatever time zone.

cron takes six fields: minutes, hours, day of month, month, day of week (1 is Sunday), year.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

EXPRESSION = re.compile(r"(at|rate|cron)\((.+)\)")
UNITS = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
# Further ahead nothing is looked for: February 29th comes within eight years even around 2100.
HORIZON = timedelta(days=9 * 366)


class ScheduleError(ValueError):
    """A schedule that cannot be read, in one sentence."""


@dataclass(frozen=True)
class Field:
    """One field of a cron expression over `low`..`high`."""

    text: str
    low: int
    high: int
    names: tuple[tuple[str, int], ...] = ()

    @cached_property
    def values(self) -> frozenset[int]:
        found: set[int] = set()
        for part in self.text.split(","):
            span, _, step = part.partition("/")
            first, last = self._span(span, bool(step))
            found.update(range(first, last + 1, self._number(step) if step else 1))
        if not found or min(found) < self.low or max(found) > self.high:
            raise ScheduleError(f"{self.text!r} is outside of {self.low} to {self.high}")
        return frozenset(found)

    def _span(self, span: str, stepped: bool) -> tuple[int, int]:
        if span in ("*", "?"):
            return self.low, self.high
        first, dash, last = span.partition("-")
        start = self._number(first)
        return start, self._number(last) if dash else self.high if stepped else start

    def _number(self, text: str) -> int:
        number = dict(self.names).get(text.upper())
        if number is not None:
            return number
        if not text.isdecimal():
            raise ScheduleError(f"{text!r} is no number of a cron expression")
        return int(text)


@dataclass(frozen=True)
class Cron:
    minutes: Field
    hours: Field
    day_of_month: str
    months: Field
    day_of_week: str
    years: Field

    @classmethod
    def read(cls, text: str) -> "Cron":
        fields = text.split()
        if len(fields) != 6:  # noqa: PLR2004 - named in the message
            raise ScheduleError(f"cron({text}) has {len(fields)} fields, 6 are needed")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise ScheduleError(f"cron({text}) needs ? for either its day of month or its day of week")
        found = cls(
            Field(fields[0], 0, 59),
            Field(fields[1], 0, 23),
            fields[2].upper(),
            Field(fields[3], 1, 12, tuple(MONTHS.items())),
            fields[4].upper(),
            Field(fields[5], 1970, 2199),
        )
        # Each is read now, so that a wrong one is refused when it is given and not when it is due.
        for field in (found.minutes, found.hours, found.months, found.years):
            _ = field.values
        found._has(date(2026, 1, 1))
        return found

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        local = moment.astimezone(zone)
        day = local.date()
        while day <= (local + HORIZON).date():
            if day.year in self.years.values and day.month in self.months.values and self._has(day):
                for at in self._times(day, zone):
                    if at > moment:
                        return at
            day += timedelta(days=1)
        return None

    def _times(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        for hour in sorted(self.hours.values):
            for minute in sorted(self.minutes.values):
                yield datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)

    def _has(self, day: date) -> bool:
        if self.day_of_month != "?":
            return self._is_day_of_month(day)
        weekday = day.isoweekday() % 7 + 1
        if "#" in self.day_of_week:
            which, _, nth = self.day_of_week.partition("#")
            wanted = Field(which, 1, 7, tuple(WEEKDAYS.items())).values
            return weekday in wanted and (day.day - 1) // 7 + 1 == Field(nth, 1, 5)._number(nth)
        if self.day_of_week.endswith("L") and self.day_of_week != "L":
            wanted = Field(self.day_of_week[:-1], 1, 7, tuple(WEEKDAYS.items())).values
            return weekday in wanted and (day + timedelta(days=7)).month != day.month
        if self.day_of_week == "L":
            return weekday == WEEKDAYS["SAT"]
        return weekday in Field(self.day_of_week, 1, 7, tuple(WEEKDAYS.items())).values

    def _is_day_of_month(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        if self.day_of_month == "L":
            return day.day == last
        if self.day_of_month.endswith("W"):
            wanted = Field(self.day_of_month[:-1], 1, 31)._number(self.day_of_month[:-1])
            return wanted <= last and day.day == _nearest_workday(day.year, day.month, wanted, last)
        return day.day in Field(self.day_of_month, 1, 31).values


def _nearest_workday(year: int, month: int, wanted: int, last: int) -> int:
    """Of the same month, as cron counts it."""
    days = sorted(range(1, last + 1), key=lambda one: (abs(one - wanted), one))
    return next(one for one in days if date(year, month, one).isoweekday() <= 5)  # noqa: PLR2004 - Friday


@dataclass(frozen=True)
class Schedule:
    """An expression with its time zone, when it was made, and from when to when it counts."""

    expression: str
    zone: str = "UTC"
    made: float = 0.0
    start: float | None = None
    end: float | None = None

    def check(self) -> None:
        self.after(self.made)

    def after(self, moment: float) -> float | None:
        """The first time later than `moment`, in seconds since 1970; None when there is none any more."""
        matched = EXPRESSION.fullmatch(self.expression.strip())
        if matched is None:
            raise ScheduleError(f"{self.expression!r} is none of at(...), rate(...) and cron(...)")
        kind, text = matched[1], matched[2].strip()
        since = moment if self.start is None else max(moment, self.start - 1)
        found = {"at": self._at, "rate": self._rate, "cron": self._cron}[kind](text, since)
        return None if found is None or (self.end is not None and found > self.end) else found

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (KeyError, ValueError) as error:
            raise ScheduleError(f"{self.zone!r} is no time zone") from error

    def _at(self, text: str, since: float) -> float | None:
        try:
            found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=self._zone()).timestamp()
        except ValueError as error:
            raise ScheduleError(f"at({text}) is not at(yyyy-mm-ddThh:mm:ss)") from error
        return found if found > since else None

    def _rate(self, text: str, since: float) -> float:
        value, _, unit = text.partition(" ")
        seconds = UNITS.get(unit.strip().removesuffix("s"))
        if seconds is None or not value.isdecimal() or int(value) < 1:
            raise ScheduleError(f"rate({text}) is not rate(value minutes), hours or days")
        every, first = int(value) * seconds, self.made if self.start is None else self.start
        if first > since:
            return first
        return first + ((since - first) // every + 1) * every

    def _cron(self, text: str, since: float) -> float | None:
        found = Cron.read(text).after(datetime.fromtimestamp(since, UTC), self._zone())
        return found.timestamp() if found else None
