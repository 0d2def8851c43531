"""Axes of the page's figures: where ticks lie, what is written at them, and where a value lies between both ends.

Positions are per mille of an axis, from its low end; a figure is stretched to the width that there is, and its labels
are text beside it, so that they are as large on a phone as on a desk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pairity.number_formats import format_plain

WHOLE = 1000
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_TIMES = 8
_HOURS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_WEEK_H, _MONDAY_S = 168, 4 * 86_400
"""The first Monday of Unix time: weeks begin on Mondays."""
_MOST_NAMES, _LETTERS = 12, 52
"""Most names below a figure that is half as wide as a desk, and most letters of them; a phone has room for half."""
_LOG_PARTS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
_LEAST_MARKS = 4
LOG_ROOM = 1.03
"""Factor of the room beyond both ends of a logarithmic axis: a curve that never moves has a height too."""
_EDGE = 0.03
"""Share of the axis beside each end in which no label of a time is written: it would leave the figure."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place; a minor one is left out where the screen is narrow."""

    place: int
    text: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values with its ticks and its title, unit included."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    title: str
    is_log: bool = False
    """Whether the same factor is the same distance everywhere; values are above 0 then."""

    def place(self, value: float) -> int:
        """Return where a value lies, in per mille from the low end; what lies outside is at the end."""
        inside = min(self.high, max(self.low, value))
        if self.is_log:
            return round(WHOLE * math.log(inside / self.low) / math.log(self.high / self.low))
        return round(WHOLE * (inside - self.low) / (self.high - self.low))


def make_axis(values: Iterable[float | None], title: str, *, zero: bool = False, ticks: int = 5) -> Axis:
    """Return an axis with room for all values (None and NaN left out), with round ticks; `zero`: with 0 on it.

    Where there is nothing, or one value alone, the axis has room around that.
    """
    found = [value for value in values if value is not None and math.isfinite(value)]
    found += [0.0] if zero or not found else []
    low, high = min(found), max(found)
    if high - low <= 1e-12 * max(1.0, abs(high)):
        room = abs(high) / 2 or 1.0
        low, high = low - (0.0 if zero and low == 0 else room), high + room
    step = choose_step((high - low) / ticks)
    low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    count = round((high - low) / step)
    marks = [low + step * number for number in range(count + 1)]
    axis = Axis(low, high, (), title)
    return Axis(low, high, tuple(Tick(axis.place(mark), _write(mark, step)) for mark in marks), title)


def make_log_axis(values: Iterable[float], title: str) -> Axis:
    """Return a logarithmic axis with room for all values (above 0), with round ticks."""
    found = list(values)
    low, high = min(found) / LOG_ROOM, max(found) * LOG_ROOM
    axis = Axis(low, high, (), title, is_log=True)
    ticks = tuple(Tick(axis.place(mark), format_plain(mark, 6)) for mark in choose_log_marks(low, high))
    return Axis(low, high, ticks, title, is_log=True)


def choose_log_marks(low: float, high: float) -> list[float]:
    """Return round numbers between both ends (above 0), four at least: 1, 10, 100, or 1, 2, 5, or closer."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in _LOG_PARTS:
        marks = [mark for decade in decades for part in parts if low <= (mark := part * 10.0**decade) <= high]
        if len(marks) >= _LEAST_MARKS:
            return marks
    step = choose_step((high - low) / _LEAST_MARKS)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def make_time_axis(first: datetime, last: datetime) -> Axis:
    """Return an axis of time (UTC) with ticks at whole hours, days, months or years, eight at most."""
    last = last if last > first else first + timedelta(hours=1)
    axis = Axis(first.timestamp(), last.timestamp(), (), "")
    marks, write = _choose_times(first, last)
    inside = [mark for mark in marks if _EDGE <= _share(mark, first, last) <= 1 - _EDGE]
    ticks = [Tick(axis.place(mark.timestamp()), write(mark), number % 2 == 1) for number, mark in enumerate(inside)]
    return Axis(axis.low, axis.high, tuple(ticks), f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, UTC")


def make_category_axis(names: Sequence[str], title: str) -> Axis:
    """Return an axis with a unit of room for each name; of many or long names only every n-th is written."""
    longest = max((len(name) for name in names), default=1)
    most = max(2, min(_MOST_NAMES, _LETTERS // longest))
    every = max(1, -(-len(names) // most))
    axis = Axis(0.0, max(1.0, float(len(names))), (), title)
    shown = range(0, len(names), every)
    crowded = len(shown) * longest > _LETTERS // 2
    ticks = [
        Tick(axis.place(number + 0.5), names[number], crowded and place % 2 == 1) for place, number in enumerate(shown)
    ]
    return Axis(axis.low, axis.high, tuple(ticks), title)


def choose_step(least: float) -> float:
    """Return the smallest round step (1, 2, 2.5 or 5 times a power of ten) that is not below `least` (> 0)."""
    scale = 10.0 ** math.floor(math.log10(least))
    return next(step * scale for step in _STEPS if step * scale >= least * (1 - 1e-9))


def _write(value: float, step: float) -> str:
    return format_plain(round(value / step) * step, 6).replace("-", "−") if abs(value) > step / 2 else "0"


def _share(mark: datetime, first: datetime, last: datetime) -> float:
    return (mark - first) / (last - first)


def _choose_times(first: datetime, last: datetime) -> tuple[list[datetime], Callable[[datetime], str]]:
    hours = (last - first) / timedelta(hours=1)
    for every in _HOURS:
        if hours / every <= _MOST_TIMES:
            step = every * 3600
            offset = _MONDAY_S if every % _WEEK_H == 0 else 0
            start = math.ceil((first.timestamp() - offset) / step) * step + offset
            marks = [datetime.fromtimestamp(at, UTC) for at in range(start, int(last.timestamp()) + 1, step)]
            return marks, _write_hour if every < 24 else _write_day
    months = (last.year - first.year) * 12 + last.month - first.month
    every = next((size for size in _MONTH_STEPS if months / size <= _MOST_TIMES), _MONTH_STEPS[-1])
    begin = first.year * 12 + first.month - 1
    numbers = range(begin - begin % every + every, last.year * 12 + last.month, every)
    marks = [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]
    return marks, (lambda mark: str(mark.year)) if every >= 12 else _write_month


def _write_hour(mark: datetime) -> str:
    return f"{mark.day} {_MONTHS[mark.month - 1]} {mark:%H:%M}"


def _write_day(mark: datetime) -> str:
    return f"{mark.day} {_MONTHS[mark.month - 1]}"


def _write_month(mark: datetime) -> str:
    return f"{_MONTHS[mark.month - 1]} {mark.year}"
