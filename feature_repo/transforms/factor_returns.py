"""Returns of the risk factors: of every minute for reports, and of every hour as a view.

Formulas: docs/formulas.md, Factor returns.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog.factor_returns import FACTOR_RETURNS, SPREADS
from feature_repo.catalog.risk_factors import BUCKETS10
from feature_repo.raw_datasets import INSTANT
from feature_repo.transforms.exposures import EVENT, know_by
from feature_repo.transforms.risk_factors import (
    MIN_SHARE,
    Panel,
    assign_buckets,
    build_panel,
    compute_factor_returns,
    compute_scores,
    compute_spreads,
    floor_to_midnight,
)
from feature_repo.transforms.risk_panel import RiskPanel
from pairity.settings import FeatureSettings
from pairity.timeline import HOUR, MINUTE

Floats = NDArray[np.float64]
FACTORS = (*BUCKETS10, *SPREADS)
_HOUR = HOUR // MINUTE


def compute_hourly_factors(risk: RiskPanel, venue: str, *, after: datetime | None = None) -> pl.DataFrame:
    """Return the columns of `catalog.FACTOR_RETURNS`: one row per hour in which an asset has a bar, sorted by time.

    Only rows later than `after` are returned. Known when all minutes of all assets up to the hour's close were.
    """
    begin = 0 if after is None else max(0, (after - risk.panel.start) // HOUR)
    needed = risk.since(floor_to_midnight(risk.panel.start + begin * HOUR))
    panel = needed.panel
    first = (risk.panel.start + begin * HOUR - panel.start) // HOUR
    hours = len(panel.returns) // _HOUR
    closes = [panel.start + (hour + 1) * HOUR for hour in range(first, hours)]
    minutes = _all_factors(panel, needed.buckets)[_HOUR * first : _HOUR * hours].reshape(-1, _HOUR, len(FACTORS))
    sums = _sum_minutes(minutes)
    seen = ~np.isnan(panel.returns[_HOUR * first : _HOUR * hours]).reshape(-1, _HOUR, len(panel.assets))
    observed = pl.Series(seen.any(axis=1).sum(axis=1), dtype=pl.Int64)
    rows = pl.DataFrame(
        {
            EVENT: pl.Series(closes, dtype=INSTANT),
            "created_timestamp": know_by(needed, closes),
            **{name: pl.Series(sums[:, place]).fill_nan(None) for place, name in enumerate(FACTORS)},
            "assets_observed": observed,
        }
    )
    return rows.filter(observed > 0).select(pl.lit(venue).alias("venue"), pl.all()).select(FACTOR_RETURNS.columns)


def compute_minute_factors(
    minutes: pl.DataFrame, settings: FeatureSettings, dead: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return time (the minute's close) and the return of each of `FACTORS` in every minute; null where there is none.

    `minutes`: rows of `candles_1m` of the whole universe, from `risk_days` before the first day that is wanted on. No
    rows without minutes. Minutes of `dead` contracts (`dead.find_dead_minutes`) do not count.
    """
    panel = build_panel(minutes, dead)
    if panel is None:
        return pl.DataFrame(schema={"time": INSTANT, **dict.fromkeys(FACTORS, pl.Float64)})
    factors = _all_factors(panel, assign_buckets(compute_scores(panel, settings)))
    closes = pl.datetime_range(
        panel.start + MINUTE, panel.start + len(factors) * MINUTE, MINUTE, eager=True, time_unit="us"
    )
    columns = {name: pl.Series(factors[:, place]).fill_nan(None) for place, name in enumerate(FACTORS)}
    return pl.DataFrame({"time": closes, **columns})


def _all_factors(panel: Panel, buckets: Floats) -> Floats:
    """Return minutes × `FACTORS`."""
    factors = compute_factor_returns(panel, buckets)
    return np.concatenate([factors, compute_spreads(factors)[:, 1:]], axis=1)


def _sum_minutes(minutes: Floats) -> Floats:
    """Return hours × factors: the sum over each hour's minutes that exist, NaN where fewer than `MIN_SHARE` do."""
    known = ~np.isnan(minutes)
    total = np.zeros((len(minutes), minutes.shape[2]))
    for minute in range(_HOUR):
        # One minute after another: the same bits for one hour alone and for a month.
        total += np.where(known[:, minute], minutes[:, minute], 0.0)
    total[known.sum(axis=1) < MIN_SHARE * _HOUR] = np.nan
    return total
