"""Spreads of pairs, three times a day, for models of their outcomes (docs/formulas.md, Books)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_repo.catalog.pair_spreads import FORTNIGHT, MONTH, PAIR_SPREADS
from feature_repo.transforms.book_kernels import spread_histories
from feature_repo.transforms.pair_books import Floats, Ints, tabulate_pairs
from pairity.universe import Pair


def compute_pair_spreads(hours: pl.LazyFrame, pairs: Sequence[Pair], *, after: datetime) -> pl.LazyFrame:
    """Return the columns of `catalog.PAIR_SPREADS`; arguments, order and times are those of `compute_pair_books`."""

    def compute(prices: Floats, legs: Ints, due: Ints) -> Floats:
        return spread_histories(prices, legs, due, FORTNIGHT, MONTH)

    return tabulate_pairs(PAIR_SPREADS, hours, pairs, compute, after=after)
