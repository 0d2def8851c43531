"""Anomalies of the stored market, in words: what is odd about it, and not a fault of the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from feature_repo.raw_datasets import CANDLES, DATASETS
from feature_repo.transforms.bars import adopt_native_hours, select_bars
from feature_repo.transforms.hours import summarise_hours
from ingestion.lake import Lake
from pairity.number_formats import format_plain, format_price
from pairity.timeline import DAY, HOUR
from validation.anomalies import find_dead_contracts, find_mark_deviations, find_market_outages, find_short_bars

_FOUR_HOURS = timedelta(hours=4)


def describe_anomalies(lake: Lake, dataset: str, dead_after: timedelta = DAY) -> Iterator[str]:
    """Yield one line per anomaly of a raw dataset; none where the lake has no rows of it.

    Outages, contracts that nobody trades for `dead_after` (whole hours) or longer, and 4-hour bars that are not whole
    for candles; prices far from the market for hourly mark and index prices.
    """
    rows = _read_all(lake, dataset)
    if rows.is_empty():
        return
    every = DATASETS[dataset].every
    if dataset in CANDLES and every:
        for first, last, _, silent, assets in find_market_outages(rows, every).iter_rows():
            until = last + every
            yield f"outage {first:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC: {silent} of {assets} traded nothing"
        hours = adopt_native_hours(rows.lazy()) if every == HOUR else select_bars(summarise_hours(rows.lazy()))
        for asset, first, last, price in find_dead_contracts(hours, dead_after // HOUR).iter_rows():
            span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
            yield f"dead contract {asset} {span}: no trade, and the price stood at {format_plain(price)}"
        for asset, at, bars, expected, reason in find_short_bars(rows, every, _FOUR_HOURS).iter_rows():
            yield f"short 4h bar {asset} {at:%Y-%m-%d %H:%M} UTC: {bars} of {expected} ({reason})"
    if dataset in ("mark_1h", "index_1h"):
        traded = _read_all(lake, "candles_1h")
        for asset, at, price, reference in find_mark_deviations(rows, traded if traded.height else None).iter_rows():
            yield f"{asset} {at:%Y-%m-%d %H:%M} UTC at {format_price(price)}, the market at {format_price(reference)}"


def _read_all(lake: Lake, dataset: str) -> pl.DataFrame:
    """Read every stored row of a raw dataset."""
    parts = [part for part in lake.digests() if part.dataset == dataset]
    if not parts:
        return DATASETS[dataset].empty()
    since, until = min(part.month for part in parts), max(part.end for part in parts)
    return lake.scan(dataset, {part.instrument for part in parts}, since, until).collect()
