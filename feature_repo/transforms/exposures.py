"""Views of the risk factors: daily buckets, hourly exposures, and exposures of every minute for reports.

Formulas: docs/formulas.md, Risk factors.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog.risk_factors import ASSET_EXPOSURES, ASSET_RISK_BUCKETS, BUCKETS10, FITTED, SPREADS4
from feature_repo.knowledge_time import feature_created_at
from feature_repo.transforms.risk_factors import (
    MIN_SHARE,
    Panel,
    assign_buckets,
    build_panel,
    ceil_to_midnight,
    compute_factor_returns,
    compute_scores,
    compute_spreads,
)
from feature_repo.transforms.risk_kernels import hourly_fits, minute_fits
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, HOUR, MINUTE

EVENT = "event_timestamp"
Floats = NDArray[np.float64]
_INSTANT = pl.Datetime("us", "UTC")
_SCORES = ("liquidity_score", "beta", "momentum_score")
_BUCKETS = ("liquidity_bucket", "volatility_bucket", "momentum_bucket")
DESIGNS = {"spreads4": ("s4", SPREADS4), "buckets10": ("b10", BUCKETS10)}


def compute_risk_buckets(
    minutes: pl.LazyFrame, start: datetime, end: datetime, settings: FeatureSettings
) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_RISK_BUCKETS`: one row per asset and midnight up to `end`, sorted by both.

    `minutes`: rows of `candles_1m` from `start` on, complete at `end`. The row of a midnight holds the scores (see the
    catalogue for units) and terciles that were known then; they are valid for the day that begins. Null where an asset
    is not eligible; an asset without any score at a midnight
    has no row then.
    """
    panel = _panel(minutes, start)
    if panel is None:
        return _empty(ASSET_RISK_BUCKETS.columns)
    # The day that begins at `end` has no minute yet, but its buckets are known.
    panel = _reaching(panel, end + MINUTE)
    scored = compute_scores(panel, settings)
    grouped = assign_buckets(scored)
    days = [day for day in range(1, panel.days) if panel.day(day) <= end]
    created = _known_by(panel, [day * (DAY // MINUTE) for day in days], [panel.day(day) for day in days])
    frames = []
    for number, asset in enumerate(panel.assets):
        values = {name: scored[days, kind, number] for kind, name in enumerate(_SCORES)}
        values |= {name: grouped[days, kind, number] for kind, name in enumerate(_BUCKETS)}
        frames.append(_frame(asset, [panel.day(day) for day in days], created, values))
    return pl.concat(frames).select(ASSET_RISK_BUCKETS.columns).filter(_any(_SCORES)).lazy()


def compute_asset_exposures(
    minutes: pl.LazyFrame, start: datetime, end: datetime, settings: FeatureSettings
) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_EXPOSURES`: one row per asset and hour in which it has a bar, up to `end`.

    `minutes`: rows of `candles_1m` from `start` on, complete at `end`, a full hour. A window is the last
    `exposure_minutes` before the hour's close, where the row is known. Coefficients are returns per return (ratio), the
    constant is a fraction per minute. Null as in `risk_kernels.hourly_fits`; hours without a number in either design
    have no row.
    """
    panel = _panel(minutes, start)
    if panel is None:
        return _empty(ASSET_EXPOSURES.columns)
    # An hour is over at its close, whether or not its last minutes have bars.
    panel = _reaching(panel, end)
    factors = compute_factor_returns(panel, assign_buckets(compute_scores(panel, settings)))
    hours = len(panel.returns) // 60
    closes = [panel.start + (hour + 1) * HOUR for hour in range(hours)]
    created = _known_by(panel, [60 * (hour + 1) for hour in range(hours)], closes)
    seen = (~np.isnan(panel.returns[: 60 * hours])).reshape(hours, 60, len(panel.assets)).sum(axis=1)
    frames = []
    for number, asset in enumerate(panel.assets):
        values: dict[str, Floats] = {}
        for design in DESIGNS:
            values |= _fits(panel, factors, number, design, settings, hourly=True)
        frames.append(_frame(asset, closes, created, values).filter(pl.Series(seen[:, number] > 0)))
    return pl.concat(frames).select(ASSET_EXPOSURES.columns).filter(_any(ASSET_EXPOSURES.feature_names)).lazy()


def find_first_minute(first: datetime, settings: FeatureSettings) -> datetime:
    """Return the midnight from which on `compute_minute_exposures` needs minutes to give values after `first`.

    The window of `first` reaches into a day whose buckets are estimated from `risk_days` whole days before it.
    """
    reach = first - timedelta(minutes=settings.exposure_minutes)
    return reach.replace(hour=0, minute=0, second=0, microsecond=0) - settings.risk_days * DAY


def compute_minute_exposures(
    minutes: pl.DataFrame, design: str, settings: FeatureSettings, assets: tuple[str, ...]
) -> pl.DataFrame:
    """Return asset, time (the minute's close), const, a coefficient per factor, r2, adj_r2 of every minute of `assets`.

    All rows of `minutes` (the whole universe; see `find_first_minute`) make the factors. `design` is a key of
    `DESIGNS`. Null where a window is not complete or degenerate. At a full hour the bits are those of
    `compute_asset_exposures`.
    """
    prefix, _ = DESIGNS[design]
    panel = build_panel(minutes)
    if panel is None:
        return pl.DataFrame(schema={"asset": pl.String, "time": _INSTANT})
    factors = compute_factor_returns(panel, assign_buckets(compute_scores(panel, settings)))
    closes = pl.datetime_range(
        panel.start + MINUTE, panel.start + len(panel.returns) * MINUTE, MINUTE, eager=True, time_unit="us"
    )
    frames = []
    for number, asset in enumerate(panel.assets):
        if asset in assets:
            fitted = _fits(panel, factors, number, design, settings, hourly=False)
            columns = {
                name.removeprefix(f"{prefix}_"): pl.Series(values).fill_nan(None) for name, values in fitted.items()
            }
            frames.append(pl.DataFrame({"time": closes, **columns}).select(pl.lit(asset).alias("asset"), pl.all()))
    return pl.concat(frames)


def _fits(
    panel: Panel, factors: Floats, number: int, design: str, settings: FeatureSettings, *, hourly: bool
) -> dict[str, Floats]:
    prefix, names = DESIGNS[design]
    regressors, ridge = (compute_spreads(factors), 0.0) if design == "spreads4" else (factors, settings.risk_ridge)
    # Contiguous: numba compiles anew for each memory layout, and the kernels read whole rows.
    observed = np.ascontiguousarray(np.column_stack([regressors, panel.returns[:, number]]))
    fit = hourly_fits if hourly else minute_fits
    fitted = fit(observed, settings.exposure_minutes // 60, ridge, MIN_SHARE)
    return {f"{prefix}_{name}": fitted[:, place] for place, name in enumerate(("const", *names, *FITTED))}


def _panel(minutes: pl.LazyFrame, start: datetime) -> Panel | None:
    """Return the panel from the first whole day on: another chunk would score the first half day from the whole day."""
    needed = minutes.filter(pl.col("open_time") >= ceil_to_midnight(start))
    return build_panel(needed.collect())


def _reaching(panel: Panel, end: datetime) -> Panel:
    """Return `panel` with empty minutes (NaN) appended up to `end`."""
    missing = (end - panel.start) // MINUTE - len(panel.returns)
    if missing <= 0:
        return panel
    empty = np.full((missing, len(panel.assets)), np.nan)
    return replace(
        panel,
        returns=np.concatenate([panel.returns, empty]),
        trades=np.concatenate([panel.trades, empty]),
        volumes=np.concatenate([panel.volumes, empty]),
        known=np.concatenate([panel.known, np.zeros(missing, dtype=np.int64)]),
    )


def _known_by(panel: Panel, counts: list[int], events: list[datetime]) -> pl.Series:
    """Return when the first `count` minutes of all assets were known, one per event, never before event + 1 ms."""
    known = np.maximum.accumulate(panel.known)[np.array(counts, dtype=np.int64) - 1] if counts else panel.known[:0]
    frame = pl.DataFrame({"known": pl.Series(known).cast(_INSTANT), "event": pl.Series(events, dtype=_INSTANT)})
    return frame.select(feature_created_at("known", "event")).to_series()


def _frame(asset: str, events: list[datetime], created: pl.Series, values: dict[str, Floats]) -> pl.DataFrame:
    columns = {name: pl.Series(numbers, dtype=pl.Float64).fill_nan(None) for name, numbers in values.items()}
    times = {EVENT: pl.Series(events, dtype=_INSTANT), "created_timestamp": created}
    return pl.DataFrame({**times, **columns}).select(pl.lit(asset).alias("asset"), pl.all())


def _any(names: tuple[str, ...]) -> pl.Expr:
    return pl.any_horizontal(pl.col(names).is_not_null())


def _empty(columns: tuple[str, ...]) -> pl.LazyFrame:
    types = {"asset": pl.String(), EVENT: _INSTANT, "created_timestamp": _INSTANT}
    return pl.LazyFrame(schema={name: types.get(name, pl.Float64()) for name in columns})
