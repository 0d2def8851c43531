"""Slow features of pairs, three times a day (docs/formulas.md, Books).

Every window ends at the close of its row and lies within the lookback of the view, wherever the chunk begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog.pair_books import HEDGE_HOURS, PAIR_BOOKS, Z_HOURS
from feature_repo.catalog.types import View
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.raw_datasets import INSTANT
from feature_repo.transforms.asset_books import split_runs
from feature_repo.transforms.book_kernels import ROUNDING, pair_histories
from feature_repo.transforms.grid import EVENT
from pairity.timeline import HOUR
from pairity.universe import Pair

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MICROSECONDS = HOUR // datetime.resolution
_EVERY = PAIR_BOOKS.every // HOUR
_WINDOWS = np.array(Z_HOURS, np.int64)
_LONG_AGO = np.iinfo(np.int64).min


def has_close(after: datetime, end: datetime) -> bool:
    """Return whether a row of `catalog.PAIR_BOOKS` is due in (after, end], both full hours."""
    return int(end.timestamp()) // 3600 // _EVERY > int(after.timestamp()) // 3600 // _EVERY


def compute_pair_books(hours: pl.LazyFrame, pairs: Sequence[Pair], *, after: datetime) -> pl.LazyFrame:
    """Return the columns of `catalog.PAIR_BOOKS`: one row per pair and due close later than `after` that both have.

    `hours`: asset, event_timestamp (the close), created_timestamp, close (USDT), from `LONG_LOOKBACK` before the month
    on. Sorted by pair and time. `created_timestamp` is when all hours of both assets up to then were known, never
    before close + 1 ms. Null policies: the catalogue.
    """

    def compute(prices: Floats, legs: Ints, due: Ints) -> Floats:
        return pair_histories(prices, legs, due, _WINDOWS, HEDGE_HOURS, ROUNDING)

    return tabulate_pairs(PAIR_BOOKS, hours, pairs, compute, after=after)


def tabulate_pairs(
    view: View,
    hours: pl.LazyFrame,
    pairs: Sequence[Pair],
    compute: Callable[[Floats, Ints, Ints], Floats],
    *,
    after: datetime,
) -> pl.LazyFrame:
    """Return the columns of a view whose rows stand where those of `PAIR_BOOKS` do, as `compute_pair_books` says.

    `compute`: prices (names × hours, NaN where there is no bar), legs of pairs (places of names) and rows that are due
    → pairs × rows × features of the view.
    """
    rows = hours.select("asset", EVENT, "created_timestamp", "close").sort("asset", EVENT).collect()
    names, parts = split_runs(rows["asset"])
    place = {name: number for number, name in enumerate(names)}
    own = [pair for pair in sorted(pairs, key=lambda pair: pair.pair_id) if {*pair.assets} <= place.keys()]
    closes = rows[EVENT].to_physical().to_numpy() // _MICROSECONDS
    first, last = (int(closes.min()), int(closes.max())) if len(closes) else (0, -1)
    begin = max(first, int(after.timestamp()) // 3600 + 1)
    due = np.arange(begin + -begin % _EVERY, last + 1, _EVERY, dtype=np.int64) - first
    prices = np.full((len(names), last - first + 1), np.nan)
    known = np.full((len(names), last - first + 1), _LONG_AGO)
    for number, part in enumerate(parts):
        at = closes[part] - first
        prices[number, at] = rows["close"][part].to_numpy()
        known[number, at] = rows["created_timestamp"][part].to_physical().to_numpy()
    known = np.maximum.accumulate(known, axis=1)
    legs = np.array([[place[name] for name in pair.assets] for pair in own], np.int64).reshape(-1, 2)
    values = _compute(prices, legs, due, compute)
    there = ~np.isnan(prices[:, due])
    of, row = np.nonzero(there[legs[:, 0]] & there[legs[:, 1]])
    base, quote = legs[of].T
    frame = pl.DataFrame(
        {
            "pair_id": pl.Series([own[one].pair_id for one in of.tolist()], dtype=pl.String),
            EVENT: pl.Series((due[row] + first) * _MICROSECONDS).cast(INSTANT),
            "__base": pl.Series(known[base, due[row]]).cast(INSTANT),
            "__quote": pl.Series(known[quote, due[row]]).cast(INSTANT),
            **{name: values[of, row, column] for column, name in enumerate(view.feature_names)},
        },
        nan_to_null=True,
    )
    created = feature_created_at(inputs_known_at("__base", "__quote"))
    return frame.with_columns(created).select(view.columns).lazy()


def _compute(prices: Floats, legs: Ints, due: Ints, compute: Callable[[Floats, Ints, Ints], Floats]) -> Floats:
    """Return pairs × `due` × features, computed in as many threads as Polars has: no pair sees another's values."""

    def some(first: int) -> Floats:
        return compute(prices, legs[first : first + size], due)

    size = max(1, -(-len(legs) // pl.thread_pool_size()))
    if size >= len(legs) or len(due) == 1:
        size = max(1, len(legs))
        return some(0)
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        return np.concatenate(list(threads.map(some, range(0, len(legs), size))))
