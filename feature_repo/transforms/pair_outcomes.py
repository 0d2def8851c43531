"""Signed outcomes of pairs whose holding is over, three times a day (docs/formulas.md, Books).

A label stands at an instant by which everything in it was known, not at its decision: no join can see it earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog.pair_outcomes import FEE_BPS, PAIR_OUTCOMES, SLIPPAGE_BPS, WAITED
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.raw_datasets import INSTANT
from feature_repo.transforms.asset_books import UNPAID, read_settlements, split_runs
from feature_repo.transforms.book_kernels import volatilities_at
from feature_repo.transforms.grid import EVENT
from feature_repo.transforms.outcome_kernels import leg_outcomes, net_outcomes
from pairity.books.outcomes import HORIZONS
from pairity.timeline import HOUR
from pairity.universe import Pair

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MICROSECONDS = HOUR // datetime.resolution
_EVERY = PAIR_OUTCOMES.every // HOUR
_LONG_AGO = np.iinfo(np.int64).min


def compute_pair_outcomes(
    hours: pl.LazyFrame, funding: pl.LazyFrame, pairs: Sequence[Pair], *, after: datetime
) -> pl.LazyFrame:
    """Return the columns of `catalog.PAIR_OUTCOMES`: one row per pair and due close later than `after` that both have.

    `hours`: asset, event_timestamp (the close), created_timestamp, open, close (USDT), from `LONG_LOOKBACK` before the
    month on. `funding`: asset, funding_time, funding_rate, known_at, from a day before that on. Sorted by pair and
    time. `created_timestamp` is when all hours and settlements of both assets up to then were known, never before close
    + 1 ms. The legs' weights are of the volatility at the decision. Null policies: the catalogue.
    """
    rows = hours.select("asset", EVENT, "created_timestamp", "open", "close").sort("asset", EVENT).collect()
    names, parts = split_runs(rows["asset"])
    place = {name: number for number, name in enumerate(names)}
    own = [pair for pair in sorted(pairs, key=lambda pair: pair.pair_id) if {*pair.assets} <= place.keys()]
    at = rows[EVENT].to_physical().to_numpy() // _MICROSECONDS
    first, last = (int(at.min()), int(at.max())) if len(at) else (0, -1)
    begin = max(first, int(after.timestamp()) // 3600 + 1)
    due = np.arange(begin + -begin % _EVERY, last + 1, _EVERY, dtype=np.int64)
    shape = (last - first + 1, len(names))
    opens, closes, rates, covered = (np.full(shape, np.nan) for _ in range(4))
    known = np.full((len(due), len(names)), _LONG_AGO)
    paid = read_settlements(funding)
    for column, (name, part) in enumerate(zip(names, parts, strict=True)):
        row = at[part] - first
        opens[row, column], closes[row, column] = rows["open"][part].to_numpy(), rows["close"][part].to_numpy()
        settled = paid.get(name, UNPAID)
        inside = (settled.hours >= first) & (settled.hours <= last)
        rates[settled.hours[inside] - first, column] = settled.rates[inside]
        covered[settled.hours[inside] - first, column] = settled.covered[inside]
        came = np.full(shape[0], _LONG_AGO)
        came[row] = rows["created_timestamp"][part].to_physical().to_numpy()
        known[:, column] = np.maximum(np.maximum.accumulate(came)[due - first], settled.known_by(due))
    legs = np.array([[place[name] for name in pair.assets] for pair in own], np.int64).reshape(-1, 2).T
    values = _compute((opens, closes, rates, covered), legs, due - first)
    there = ~np.isnan(closes[due - first])
    row, of = np.nonzero(there[:, legs[0]] & there[:, legs[1]])
    frame = pl.DataFrame(
        {
            "pair_id": pl.Series([own[one].pair_id for one in of.tolist()], dtype=pl.String),
            EVENT: pl.Series(due[row] * _MICROSECONDS).cast(INSTANT),
            "__base": pl.Series(known[row, legs[0, of]]).cast(INSTANT),
            "__quote": pl.Series(known[row, legs[1, of]]).cast(INSTANT),
            **{name: values[row, of, column] for column, name in enumerate(PAIR_OUTCOMES.feature_names)},
        },
        nan_to_null=True,
    )
    created = feature_created_at(inputs_known_at("__base", "__quote"))
    return frame.with_columns(created).select(PAIR_OUTCOMES.columns).sort("pair_id", EVENT).lazy()


def _compute(market: tuple[Floats, Floats, Floats, Floats], legs: Ints, due: Ints) -> Floats:
    """Return `due` × pairs × features; NaN where a decision lies before the market's first hour."""
    base, quote = legs
    out = np.full((len(due), len(base), 2 * len(HORIZONS)), np.nan)
    for place, hours in enumerate(HORIZONS):
        for number, decided in enumerate((due - hours - WAITED).tolist()):
            if decided < 0:
                continue
            earned = leg_outcomes(*market, decided + 1, hours, FEE_BPS / 1e4, SLIPPAGE_BPS / 1e4)
            risks = volatilities_at(market[1], decided)
            out[number, :, 2 * place] = net_outcomes(earned, risks, base, quote)
            out[number, :, 2 * place + 1] = net_outcomes(earned, risks, quote, base)
    return out
