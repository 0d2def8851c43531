"""Dates below the pictures that are files: short, never one over the other, and with the range that they lie in."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = 0.62
"""Room that a date such as `27 Dec` needs with the space beside it."""
_MOST_TICKS = 8
_DAYS = 3
"""From so many days on, the range is told in days."""


def write_dates(axis: Axes) -> None:
    """Write day and month, or hour, at each tick, and the range from first to last point (UTC) below them.

    A year or month that stands at one end alone would be read as that of every tick.
    """
    from matplotlib.dates import (
        DAILY,
        HOURLY,
        MICROSECONDLY,
        MINUTELY,
        MONTHLY,
        SECONDLY,
        YEARLY,
        AutoDateLocator,
        ConciseDateFormatter,
    )

    width = axis.get_position().width * axis.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    most = max(4, min(_MOST_TICKS, int(width / _INCHES)))
    # Days come in steps of a week at most: with four of them a fortnight would be the step of three weeks, and one tick
    ticks = dict.fromkeys((YEARLY, MONTHLY, HOURLY, MINUTELY, SECONDLY, MICROSECONDLY), most) | {DAILY: max(most, 5)}
    locator = AutoDateLocator(minticks=min(4, most - 2), maxticks=ticks)
    for frequency, whole in ((SECONDLY, 60), (MINUTELY, 60), (HOURLY, 24), (MONTHLY, 12)):
        # Without the next larger unit, ranges just below it have nine ticks at least, and a warning
        locator.intervald[frequency] = [*locator.intervald[frequency], whole]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
            zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
            show_offset=False,
        )
    )
    axis.set_xlabel(_describe_range(axis))


def _describe_range(axis: Axes) -> str:
    """Return first and last instant of what is drawn; empty where nothing is."""
    from matplotlib.dates import num2date

    first, last = (float(end) for end in axis.dataLim.intervalx)
    if not (isfinite(first) and isfinite(last)):
        return ""
    form = "%Y-%m-%d" if last - first >= _DAYS else "%Y-%m-%d %H:%M"
    return f"{num2date(first):{form}} to {num2date(last):{form}}, UTC"
