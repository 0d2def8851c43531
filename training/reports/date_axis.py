"""Dates below the pictures that are files: short, and never one over the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_dates(axis: Axes) -> None:
    """Write what differs at each tick, and the rest (year, month) once at the right end."""
    from matplotlib.dates import HOURLY, MINUTELY, MONTHLY, SECONDLY, AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=8)
    for frequency, whole in ((SECONDLY, 60), (MINUTELY, 60), (HOURLY, 24), (MONTHLY, 12)):
        # Without the next larger unit, ranges just below it have nine ticks at least, and a warning
        locator.intervald[frequency] = [*locator.intervald[frequency], whole]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
