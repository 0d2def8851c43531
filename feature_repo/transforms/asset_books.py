"""Slow features of single assets, and the universe that they make (docs/formulas.md, Books).

Every window ends at the close of its row and lies within the lookback of the view, wherever the chunk begins.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog.books import ASSET_BOOKS, ASSET_UNIVERSE, FUNDING_DAYS, RETURN_DAYS, VWAP_HOURS
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.raw_datasets import INSTANT, instant
from feature_repo.transforms.book_kernels import SHARE, book_statistics
from feature_repo.transforms.grid import EVENT
from pairity.books.features import rank_universe
from pairity.timeline import HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MICROSECONDS = HOUR // (datetime.resolution)
_WINDOW = LONG_LOOKBACK // HOUR
SURE_INTERVALS = (1, 2, 4, 8)
"""Hours between settlements; another distance is a hole, and the hours before it are not known."""
_FUNDING = tuple(name for name in ASSET_BOOKS.feature_names if name.startswith("funding_"))
BOOK_COLUMNS = (*(name for name in ASSET_BOOKS.feature_names if name not in {"bars", *_FUNDING}), *_FUNDING)
"""Columns as they are computed: the kernel's, then means of funding, then their shares."""
_DAYS, _HOURS = np.array(RETURN_DAYS, np.int64), np.array(VWAP_HOURS, np.int64)
_FEW = 1_000
"""New rows up to which threads would cost more than they save: those of a live hour."""
_LONG_AGO = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Settled:
    """Settlements of one asset by the hour that ends with or after each, ascending; `known`: known µs, of all so far.

    `covered` is the hours that a settlement stands for, 0 where they are not known.
    """

    hours: Ints
    rates: Floats
    covered: Floats
    known: Ints

    @classmethod
    def of(cls, times: Ints, rates: Floats, known: Ints) -> Settled:
        """Return the settlements at `times` (µs, ascending); of several within one hour the last one counts."""
        gaps = np.rint(np.diff(times) / _MICROSECONDS)
        covered = np.concatenate([[0.0], np.where(np.isin(gaps, SURE_INTERVALS), gaps, 0.0)])[: len(times)]
        hours = -(-times // _MICROSECONDS)
        last = np.append(hours[1:] != hours[:-1], True)[: len(times)]
        return cls(hours[last], rates[last], covered[last], np.maximum.accumulate(known)[last])

    def average(self, closes: Ints, window: int) -> tuple[Floats, Floats]:
        """Return, at each of `closes` (hours), the mean rate per hour over `window` hours and the share that is known.

        The mean is NaN where less than `SHARE` is known. Sums are exact: venues settle most names at the same few
        rates, and names that paid the same must share a rank, whatever the order and the interval.
        """
        use = self.covered > 0
        hours, rates, covered = self.hours[use], self.rates[use], self.covered[use].cumsum()
        begins = np.searchsorted(hours, closes - window, side="right")
        ends = np.searchsorted(hours, closes, side="right")
        known = np.append(0.0, covered)[ends] - np.append(0.0, covered)[begins]
        share = np.minimum(1.0, known / window)
        means, before, total = np.full(len(closes), np.nan), (-1, -1), 0.0
        for place in np.flatnonzero(share >= SHARE):
            reach = int(begins[place]), int(ends[place])
            if reach != before:
                before, total = reach, math.fsum(rates[reach[0] : reach[1]].tolist())
            means[place] = total / known[place]
        return means, share

    def known_by(self, closes: Ints) -> Ints:
        """Return when all settlements up to each of `closes` (hours) were known, µs."""
        return np.append(_LONG_AGO, self.known)[np.searchsorted(self.hours, closes, side="right")]


UNPAID = Settled.of(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
"""No settlement at all."""


def compute_asset_books(hours: pl.LazyFrame, funding: pl.LazyFrame, *, after: datetime) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_BOOKS`: one row per row of `hours` later than `after`, by asset and time.

    `hours`: asset, event_timestamp (the close), created_timestamp, close (USDT), volume_base (coins), from
    `LONG_LOOKBACK` before the month on. `funding`: asset, funding_time, funding_rate, known_at, from a day before that
    on; a rate that is null (withheld) is no settlement.

    `created_timestamp` is when all `hours` and settlements of the asset up to then were known, never before close +
    1 ms. Null policies: the catalogue.
    """
    rows = hours.sort("asset", EVENT).collect()
    paid = read_settlements(funding)
    closes, known = (rows[name].to_physical().to_numpy() for name in (EVENT, "created_timestamp"))
    closes = closes // _MICROSECONDS
    prices, volumes = (rows[name].to_numpy() for name in ("close", "volume_base"))
    begin = int(after.timestamp()) // 3600

    def one(asset: str, own: slice) -> BookRows:
        wanted = np.arange(np.searchsorted(closes[own], begin, side="right"), len(closes[own]))
        return describe_hours(closes[own], prices[own], volumes[own], known[own], paid.get(asset, UNPAID), wanted)

    assets, parts = split_runs(rows["asset"])
    # The first one alone: it compiles the kernels, for all threads.
    found = [one(asset, own) for asset, own in zip(assets[:1], parts[:1], strict=True)]
    if np.count_nonzero(closes > begin) > _FEW:
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            found += threads.map(one, assets[1:], parts[1:])
    else:
        found += map(one, assets[1:], parts[1:])
    return _assemble(list(zip(assets, found, strict=True))).lazy()


@dataclass(frozen=True, slots=True)
class BookRows:
    """Rows of one asset: closes (hours since 1970), instants of knowledge (µs), bars, and rows × `BOOK_COLUMNS`."""

    closes: Ints
    known_bars: Ints
    known_paid: Ints
    bars: Ints
    values: Floats


def describe_hours(closes: Ints, prices: Floats, volumes: Floats, known: Ints, paid: Settled, wanted: Ints) -> BookRows:
    """Return the rows of one asset at the places `wanted` (ascending) of its bars; NaN is not known.

    `closes`: hours since 1970, ascending, one for each bar with its price (USDT), volume (coins) and the µs from which
    it is known. Windows reach `LONG_LOOKBACK` back at most.
    """
    ends = closes[wanted]
    bars = np.searchsorted(closes, ends, side="right") - np.searchsorted(closes, ends - _WINDOW, side="right")
    funding = [paid.average(ends, 24 * days) for days in FUNDING_DAYS]
    if len(ends):
        first = max(int(closes[0]), int(ends[0]) - _WINDOW)
        inside = slice(int(np.searchsorted(closes, first)), int(wanted[-1]) + 1)
        grid = np.full((2, int(ends[-1]) - first + 1), np.nan)
        grid[:, closes[inside] - first] = prices[inside], volumes[inside]
        table = book_statistics(grid[0], grid[1], _DAYS, _HOURS, ends - first)
    else:
        table = np.empty((0, len(BOOK_COLUMNS) - 2 * len(FUNDING_DAYS)))
    return BookRows(
        closes=ends,
        known_bars=np.maximum.accumulate(known)[wanted],
        known_paid=paid.known_by(ends),
        bars=bars.astype(np.int64),
        values=np.column_stack([table, *(mean for mean, _ in funding), *(share for _, share in funding)]),
    )


def _assemble(found: list[tuple[str, BookRows]]) -> pl.DataFrame:
    """Return the rows of all assets one below the other; NaN becomes null."""
    each = [rows for _, rows in found]
    values = np.concatenate([np.empty((0, len(BOOK_COLUMNS))), *(rows.values for rows in each)])

    def join(name: str) -> Ints:
        parts = [getattr(rows, name) for rows in each]
        return np.concatenate([np.empty(0, np.int64), *parts])

    frame = pl.DataFrame(
        {
            "asset": pl.Series([asset for asset, rows in found for _ in rows.closes], dtype=pl.String),
            EVENT: pl.Series(join("closes") * _MICROSECONDS).cast(INSTANT),
            "__bars": pl.Series(join("known_bars")).cast(INSTANT),
            "__paid": pl.Series(join("known_paid")).cast(INSTANT),
            "bars": pl.Series(join("bars")),
            **{name: values[:, place] for place, name in enumerate(BOOK_COLUMNS)},
        },
        nan_to_null=True,
    )
    created = feature_created_at(inputs_known_at("__bars", "__paid"))
    return frame.with_columns(created).select(ASSET_BOOKS.columns)


def read_settlements(funding: pl.LazyFrame) -> dict[str, Settled]:
    """Return the settlements of each asset of `funding` (asset, funding_time, funding_rate, known_at), in any order."""
    columns = ("asset", "funding_time", "funding_rate", "known_at")
    rows = funding.select(columns).drop_nulls("funding_rate").sort("asset", "funding_time").collect()
    times, known = (rows[name].to_physical().to_numpy() for name in ("funding_time", "known_at"))
    rates = rows["funding_rate"].to_numpy()
    runs = zip(*split_runs(rows["asset"]), strict=True)
    return {asset: Settled.of(times[own], rates[own], known[own]) for asset, own in runs}


def compute_asset_universe(books: pl.LazyFrame, *, after: datetime) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_UNIVERSE`: one row per row of `books` (`asset_books`) later than `after`.

    The rank is that of `pairity.books.features.rank_universe`, among the assets with a row at that close.
    `created_timestamp` is when all of these were known. Sorted by asset and time.
    """
    needed = ("asset", EVENT, "created_timestamp", "bars", "notional", "volatility")
    frame = books.filter(pl.col(EVENT) > instant(after)).select(needed).sort(EVENT, "asset").collect()
    names = frame["asset"].to_list()
    known = list(zip(names, *(frame[name].to_list() for name in needed[3:]), strict=True))
    ranks, counts = np.full(len(known), np.nan), np.zeros(len(known), np.int64)
    for own in split_runs(frame[EVENT])[1]:
        place = {name: rank for rank, name in enumerate(rank_universe(known[own]), start=1)}
        ranks[own] = [place.get(name, np.nan) for name in names[own]]
        counts[own] = len(place)
    created = pl.col("created_timestamp").max().over(EVENT).cum_max().alias("created_timestamp")
    ranked = frame.with_columns(
        created, pl.Series("universe_rank", ranks).fill_nan(None), pl.Series("assets_in_universe", counts)
    )
    return ranked.select(ASSET_UNIVERSE.columns).sort("asset", EVENT).lazy()


def split_runs(values: pl.Series) -> tuple[list[Any], list[slice]]:
    """Return the values of each run of equal ones, and where its rows lie."""
    runs = values.rle()
    ends = runs.struct.field("len").cast(pl.Int64).cum_sum().to_list()
    starts = [0, *ends][: len(ends)]
    return runs.struct.field("value").to_list(), [slice(*one) for one in zip(starts, ends, strict=True)]
