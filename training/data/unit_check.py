"""Features that were not computed again since a redenomination was stored: nothing is learnt or tested on them.

Their windows hold prices of two units around its instant, and rows before it are in the old unit, where labels and
fills are in the new one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, CREATED_TIME, EVENT_TIME
from feature_repo.offline_files import scan_view
from feature_repo.redenominations import read_redenominations
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.data.interval_bars import read_interval_bars

_EVER = datetime.max.replace(tzinfo=UTC)


def require_one_unit(settings: Settings, assets: Sequence[str] | None = None) -> None:
    """Raise MissingDataError where features of `assets` (None: the universe) are older than a stored redenomination.

    The newest version of each hour must come nearer to the lake's close in the newest unit than half the way (of
    logarithms) to the smallest factor that was ever stored. Assets without raw rows, and those that were never
    redenominated, cannot be compared.
    """
    layout, venue = Layout.of(settings), settings.features.venue
    factors: dict[str, list[float]] = {}
    for entry in read_redenominations(layout, venue):
        if entry.factor != 1 and entry.asset in (assets or settings.universe.assets):
            factors.setdefault(entry.asset, []).append(abs(math.log(entry.factor)))
    said = [line for asset, own in factors.items() if (line := _find_stale(settings, layout, asset, min(own) / 2))]
    if said:
        raise MissingDataError("; ".join(said), "run pairity features, which computes them again in one unit")


def _find_stale(settings: Settings, layout: Layout, asset: str, limit: float) -> str | None:
    try:
        bars = read_interval_bars(settings, asset, HOUR, _EVER).select(EVENT_TIME, pl.col("close").alias("raw"))
    except MissingDataError:
        return None
    rows = scan_view(layout, ASSET_HOURLY).filter(asset=asset).select(EVENT_TIME, CREATED_TIME, "close").collect()
    newest = rows.sort(EVENT_TIME, CREATED_TIME).unique(EVENT_TIME, keep="last", maintain_order=True)
    far = newest.join(bars, on=EVENT_TIME).filter((pl.col("close") / pl.col("raw")).log().abs() > limit)
    if far.is_empty():
        return None
    first, last = far[EVENT_TIME].min(), far[EVENT_TIME].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return (
        f"{format_count(far.height, 'hour')} of {asset} from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC have "
        "features in "
        "another unit than its raw rows: it was redenominated (`pairity redenominate` lists it), and they were not "
        "computed again since"
    )
