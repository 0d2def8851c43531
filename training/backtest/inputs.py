"""Inputs of the engine: market history and scores, built from stored frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from feature_repo.raw_files import scan_versions
from pairity.layout import Layout
from pairity.strategy.types import AssetView, PairScore
from pairity.timeline import HOUR
from pairity.universe import ContractSpec, Pair
from training.backtest.records import HourScores, MarketHistory, PriceBar, Settlement

NOT_KNOWN = "no features known at the decision"

_Row = tuple[float | None, float | None, bool, float | None, float | None]
"""Row of one pair and hour: z-score, probability, whether anything was known, hedge ratio, the model's threshold."""


def list_hours(first: datetime, last: datetime) -> tuple[datetime, ...]:
    """Return all bar closes from `first` to `last`, both included."""
    return tuple(first + index * HOUR for index in range((last - first) // HOUR + 1))


def build_market_history(
    hours: Sequence[datetime],
    known: pl.DataFrame,
    bars: pl.DataFrame,
    settlements: Mapping[str, Sequence[Settlement]],
    specs: Mapping[str, ContractSpec],
) -> MarketHistory:
    """Assemble the market history over `hours` (bar closes).

    `known`: asset, event_timestamp (bar close), close, atr_14, realized_vol_24h, funding_rate, funding_interval_h as a
    point-in-time join returned them for the decision after that close; null or NaN means not known then. `bars`: asset,
    event_timestamp, open, high, low, close as they are known today; a row with a null price counts as no bar.
    """
    return MarketHistory(
        hours=hours, views=_build_views(hours, known, specs), bars=_build_bars(hours, bars), settlements=settlements
    )


def group_scores_by_hour(scored: pl.DataFrame, pairs: Sequence[Pair]) -> dict[datetime, HourScores]:
    """Return, per bar close, the score of every pair in the order of `pairs`.

    `scored`: pair_id, event_timestamp, z_score, probability, correlation_168h, known (False: nothing was known at the
    decision). Optional columns: hedge_ratio (a strategy of two legs trades nothing without it), threshold (of the model
    that scored the row; null: it has none) and train_end (last instant that it has seen; the latest one of an hour
    counts). A pair without a row is not known.
    """
    named = [(pair, pair.pair_id, PairScore(pair=pair, z=None, probability=None, unusable=NOT_KNOWN)) for pair in pairs]
    hours: dict[datetime, HourScores] = {}
    for hour, train_end, ids, correlations, *columns in _group_by_hour(scored).iter_rows():
        rows: dict[str, _Row] = dict(zip(ids, zip(*columns, strict=True), strict=True))
        hours[hour] = HourScores(
            scores=tuple([_make_score(pair, rows.get(pair_id), unknown) for pair, pair_id, unknown in named]),
            correlations=dict(zip(ids, correlations, strict=True)),
            train_end=train_end,
        )
    return hours


def read_lake_settlements(
    layout: Layout, venue: str, assets: Sequence[str], known_by: datetime
) -> dict[str, list[Settlement]]:
    """Read a venue's funding settlements from the raw lake: per settlement, the newest row known at `known_by`.

    An asset without files has no settlements: the engine counts the hours in which none was known.
    """
    return {asset: _read_settlements(layout, venue, asset, known_by) for asset in assets}


def _read_settlements(layout: Layout, venue: str, asset: str, known_by: datetime) -> list[Settlement]:
    # One venue: another one settles at other rates, and would be newer by chance.
    rows = (
        scan_versions(layout, "funding", venue, asset)
        .filter(pl.col("known_at") <= known_by)
        .sort("funding_time", "known_at")
        .group_by("funding_time", maintain_order=True)
        .last()
        .select("funding_time", "funding_rate")
        .collect()
    )
    return [Settlement(time, rate) for time, rate in rows.iter_rows() if rate is not None]


def _build_views(
    hours: Sequence[datetime], known: pl.DataFrame, specs: Mapping[str, ContractSpec]
) -> dict[datetime, dict[str, AssetView]]:
    views: dict[datetime, dict[str, AssetView]] = {hour: {} for hour in hours}
    funding = ["funding_rate", "funding_interval_h"]
    columns = ["event_timestamp", "asset", "close", "atr_14", "realized_vol_24h", *funding]
    for hour, asset, close, atr, volatility, rate, interval in _nan_to_null(known).select(columns).iter_rows():
        if hour in views:
            views[hour][asset] = AssetView(
                asset=asset,
                close=close,
                atr=atr,
                volatility=volatility,
                funding_rate=rate,
                spec=specs.get(asset),
                funding_interval_h=interval,
            )
    return views


def _build_bars(hours: Sequence[datetime], bars: pl.DataFrame) -> dict[str, dict[datetime, PriceBar]]:
    prices = ["open", "high", "low", "close"]
    rows = _nan_to_null(bars).filter(pl.col("event_timestamp").is_between(hours[0], hours[-1])).drop_nulls(prices)
    by_asset: dict[str, dict[datetime, PriceBar]] = {asset: {} for asset in bars["asset"].unique().sort()}
    for asset, hour, *values in rows.select("asset", "event_timestamp", *prices).iter_rows():
        by_asset[asset][hour] = PriceBar(*values)
    return by_asset


def _nan_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn NaN into null: a value that is not known must not pass for a number."""
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _group_by_hour(scored: pl.DataFrame) -> pl.DataFrame:
    """Return one row per hour, its pairs in lists: a time becomes a Python object once per hour, not once per pair."""
    optional = {"hedge_ratio": pl.Float64(), "threshold": pl.Float64(), "train_end": pl.Datetime("us", "UTC")}
    absent = [pl.lit(None, kind).alias(name) for name, kind in optional.items() if name not in scored.columns]
    rows = _nan_to_null(scored.with_columns(absent))
    columns = ["pair_id", "correlation_168h", "z_score", "probability", "known", "hedge_ratio", "threshold"]
    return rows.group_by("event_timestamp", maintain_order=True).agg(pl.col("train_end").max(), *columns)


def _make_score(pair: Pair, row: _Row | None, unknown: PairScore) -> PairScore:
    if row is None or not row[2]:
        return unknown
    return PairScore(pair=pair, z=row[0], probability=row[1], hedge_ratio=row[3], threshold=row[4])
