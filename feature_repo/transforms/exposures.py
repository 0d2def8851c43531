"""Views of the risk factors: daily buckets, hourly exposures, and exposures of every minute for reports.

Formulas: docs/formulas.md, Risk factors.
"""

from __future__ import annotations

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
    compute_factor_returns,
    compute_scores,
    compute_spreads,
    floor_to_midnight,
)
from feature_repo.transforms.risk_kernels import hourly_fits, minute_fits
from feature_repo.transforms.risk_panel import RiskPanel
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, HOUR, MINUTE

EVENT = "event_timestamp"
Floats = NDArray[np.float64]
_INSTANT = pl.Datetime("us", "UTC")
_SCORES = ("liquidity_score", "beta", "momentum_score")
_BUCKETS = ("liquidity_bucket", "volatility_bucket", "momentum_bucket")
DESIGNS = {"spreads4": ("s4", SPREADS4), "buckets10": ("b10", BUCKETS10)}


def compute_risk_buckets(risk: RiskPanel, *, after: datetime | None = None) -> pl.DataFrame:
    """Return the columns of `catalog.ASSET_RISK_BUCKETS`: one row per asset and midnight so far, sorted by both.

    Only rows later than `after` are returned. The row of a midnight holds the scores (see the catalogue for units) and
    terciles that were known then; they are valid for the day that begins. Null where an asset is not eligible; an asset
    without any score at a midnight has no row then.
    """
    panel = risk.panel
    days = [day for day in range(1, panel.days) if after is None or panel.day(day) > after]
    events = [panel.day(day) for day in days]
    created = know_by(risk, events)
    frames = []
    for number, asset in enumerate(panel.assets):
        values = {name: risk.scores[days, kind, number] for kind, name in enumerate(_SCORES)}
        values |= {name: risk.buckets[days, kind, number] for kind, name in enumerate(_BUCKETS)}
        frames.append((asset, values))
    return _stack(frames, events, created).select(ASSET_RISK_BUCKETS.columns).filter(_any(_SCORES))


def compute_asset_exposures(
    risk: RiskPanel, settings: FeatureSettings, *, after: datetime | None = None
) -> pl.DataFrame:
    """Return the columns of `catalog.ASSET_EXPOSURES`: one row per asset and hour in which it has a bar so far.

    Only rows later than `after` are returned. An hour at whose close a contract is dead has no row. A window is the
    last `exposure_minutes` before the hour's close, where the row is known. Coefficients are returns per return
    (ratio), the constant is a fraction per minute. Null as in `risk_kernels.hourly_fits`; hours without a number in
    either design have no row.
    """
    begin = 0 if after is None else max(0, (after - risk.panel.start) // HOUR)
    # Whole windows, from a midnight on: buckets are those of days.
    needed = risk.since(
        floor_to_midnight(risk.panel.start + begin * HOUR - timedelta(minutes=settings.exposure_minutes))
    )
    panel = needed.panel
    first = (risk.panel.start + begin * HOUR - panel.start) // HOUR
    factors = compute_factor_returns(panel, needed.buckets)
    hours = len(panel.returns) // 60
    closes = [panel.start + (hour + 1) * HOUR for hour in range(first, hours)]
    created = know_by(needed, closes)
    seen = (~np.isnan(panel.returns[60 * first : 60 * hours])).reshape(-1, 60, len(panel.assets)).sum(axis=1)
    frames = []
    for number, asset in enumerate(panel.assets):
        values: dict[str, Floats] = {}
        for design in DESIGNS:
            values |= _fits(panel, factors, number, design, settings, hourly=True, begin=first)
        frames.append((asset, values))
    counted = (seen > 0) & ~panel.dead[60 * first + 59 : 60 * hours : 60]
    rows = _stack(frames, closes, created).filter(pl.Series(counted.T.reshape(-1)))
    return rows.select(ASSET_EXPOSURES.columns).filter(_any(ASSET_EXPOSURES.feature_names))


def find_first_minute(first: datetime, settings: FeatureSettings) -> datetime:
    """Return the midnight from which on `compute_minute_exposures` needs minutes to give values after `first`.

    The window of `first` reaches into a day whose buckets are estimated from `risk_days` whole days before it.
    """
    reach = first - timedelta(minutes=settings.exposure_minutes)
    return floor_to_midnight(reach) - settings.risk_days * DAY


def compute_minute_exposures(
    minutes: pl.DataFrame,
    design: str,
    settings: FeatureSettings,
    assets: tuple[str, ...],
    dead: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return asset, time (the minute's close), const, a coefficient per factor, r2, adj_r2 of every minute of `assets`.

    All rows of `minutes` (the whole universe; see `find_first_minute`) make the factors. `design` is a key of
    `DESIGNS`. Null where a window is not complete or degenerate, and in `dead` minutes (`dead.find_dead_minutes`). At a
    full hour the bits are those of
    `compute_asset_exposures`.
    """
    prefix, _ = DESIGNS[design]
    panel = build_panel(minutes, dead)
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
            alive = ~panel.dead[:, number]
            columns = {
                name.removeprefix(f"{prefix}_"): pl.Series(np.where(alive, values, np.nan)).fill_nan(None)
                for name, values in fitted.items()
            }
            frames.append(pl.DataFrame({"time": closes, **columns}).select(pl.lit(asset).alias("asset"), pl.all()))
    return pl.concat(frames)


def _fits(
    panel: Panel,
    factors: Floats,
    number: int,
    design: str,
    settings: FeatureSettings,
    *,
    hourly: bool,
    begin: int = 0,
) -> dict[str, Floats]:
    """Return the fits of one asset, at each hour from the `begin`-th on, or at each minute of all."""
    prefix, names = DESIGNS[design]
    regressors, ridge = (compute_spreads(factors), 0.0) if design == "spreads4" else (factors, settings.risk_ridge)
    window = settings.exposure_minutes // 60
    # A window's hours and no others: an hour before them would only cost time.
    first = max(0, begin - window + 1) if hourly else 0
    # Contiguous: numba compiles anew for each memory layout, and the kernels read whole rows.
    observed = np.ascontiguousarray(np.column_stack([regressors, panel.returns[:, number]])[60 * first :])
    fitted = (hourly_fits if hourly else minute_fits)(observed, window, ridge, MIN_SHARE)
    wanted = fitted[begin - first :]
    return {f"{prefix}_{name}": wanted[:, place] for place, name in enumerate(("const", *names, *FITTED))}


def know_by(risk: RiskPanel, events: list[datetime]) -> pl.Series:
    """Return when all minutes of all assets up to each event were known, never before event + 1 ms."""
    counts = [(event - risk.panel.start) // MINUTE for event in events]
    known = np.maximum(np.maximum.accumulate(risk.panel.known), risk.known_before)
    latest = known[np.array(counts, dtype=np.int64) - 1] if counts else known[:0]
    frame = pl.DataFrame({"known": pl.Series(latest).cast(_INSTANT), "event": pl.Series(events, dtype=_INSTANT)})
    return frame.select(feature_created_at("known", "event")).to_series()


def _stack(frames: list[tuple[str, dict[str, Floats]]], events: list[datetime], created: pl.Series) -> pl.DataFrame:
    """Return the columns of all assets one below the other, each with the same events; NaN becomes null."""
    count = len(frames)
    names = frames[0][1]
    columns = {
        name: pl.Series(np.concatenate([values[name] for _, values in frames]), dtype=pl.Float64).fill_nan(None)
        for name in names
    }
    return pl.DataFrame(
        {
            "asset": pl.Series([asset for asset, _ in frames for _ in events], dtype=pl.String),
            EVENT: pl.Series(events * count, dtype=_INSTANT),
            "created_timestamp": pl.concat([created] * count),
            **columns,
        }
    )


def _any(names: tuple[str, ...]) -> pl.Expr:
    return pl.any_horizontal(pl.col(names).is_not_null())
