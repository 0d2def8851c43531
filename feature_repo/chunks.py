"""Anchored computation: one calendar month of features at a time, always from the same starting point.

A chunk starts at the month's first instant minus the common lookback, in backfill and live alike. Live recomputes the
current month's chunk up to the newest closed bar, so its last row has the bits that a later backfill will produce.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS, View
from feature_repo.catalog import find_view as declared
from feature_repo.transforms.view_transforms import TRANSFORMS, Inputs, ReadRaw
from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to, month_start, next_month

Accept = Callable[[View, pl.DataFrame], pl.DataFrame]
_LOOKBACK = max(view.lookback for view in VIEWS.values())


def compute_views(
    read: ReadRaw,
    month: datetime,
    until: datetime,
    settings: Settings,
    views: Sequence[str] | None = None,
    *,
    accept: Accept | None = None,
) -> dict[str, pl.DataFrame]:
    """Return the rows of `views` (default all) with month < event_timestamp <= min(until, next month).

    `month` is a month's first instant; only hours that are complete at `until` are computed. A row at the first instant
    of a month closes the last hour of the month before and belongs to that month's chunk. `accept` returns the rows of
    a view (from the chunk's start on) that other views may be computed from; default all.

    TimeRangeError where `month` is no month's first instant; ConfigError where a window is longer than the lookback:
    its values would depend on where the chunk begins. UnknownNameError for a view that does not exist.
    """
    if month != month_start(month):
        raise TimeRangeError(f"a chunk cannot start at {month.isoformat()}", "start it at a month's first instant, UTC")
    _check_windows(settings)
    wanted = tuple(VIEWS) if views is None else tuple(declared(name).name for name in views)
    end = min(floor_to(until, HOUR), next_month(month))
    computed: dict[str, pl.DataFrame] = {}
    for name in _with_inputs(wanted):
        inputs = Inputs(read=read, views=computed, settings=settings, start=month - _LOOKBACK, month=month, end=end)
        rows = TRANSFORMS[name](inputs).collect()
        computed[name] = rows if accept is None else accept(VIEWS[name], rows)
    return {name: computed[name].filter(pl.col(EVENT_TIME) > month) for name in wanted}


def _with_inputs(wanted: Sequence[str]) -> list[str]:
    """Return `wanted` and all views that they are computed from, in the order of computation."""
    needed = set(wanted)
    for name in reversed(tuple(VIEWS)):
        if name in needed:
            needed.update(source for source in VIEWS[name].inputs if source in VIEWS)
    return [name for name in VIEWS if name in needed]


def _check_windows(settings: Settings) -> None:
    # One bar more than the window: returns and true ranges need the close before.
    needed = {f"features.{name}": bars + 1 for name, bars in settings.features if name.endswith("_bars")}
    needed["universe.min_aligned_bars"] = settings.universe.min_aligned_bars
    needed["vwap.window_bars"] = settings.vwap.reach_hours
    available = _LOOKBACK // HOUR
    for name, bars in needed.items():
        if bars > available:
            raise ConfigError(
                f"setting {name} needs {bars} hourly bars, a chunk has {available} before its month",
                f"set {name} so that it needs at most {available} bars",
            )
