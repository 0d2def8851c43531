"""Facts about a pair besides its features: its legs, whether the venue lists the cross itself, why it is left out.

A pair of two coins is traded through the USDT swaps of both unless the venue lists one against the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from pairity.number_formats import format_count
from pairity.universe import Pair, inst_id

SCHEMA = {
    "pair_id": pl.String,
    "base": pl.String,
    "quote": pl.String,
    "is_direct": pl.Boolean,
    "is_inverted": pl.Boolean,
    "exchange_symbol": pl.String,
    "base_leg": pl.String,
    "quote_leg": pl.String,
    "aligned_bars": pl.Int64,
    "left_out": pl.String,
}


def describe_pairs(
    pairs: Sequence[Pair], listed: Iterable[str], coverage: pl.DataFrame, *, min_aligned_bars: int
) -> pl.DataFrame:
    """Return one row per pair with the columns `SCHEMA`, in the order of `pairs`.

    `listed`: ids of all instruments of the venue, of any kind (OKX: `ETH-BTC` is spot, `ETH-BTC-SWAP` a perpetual).
    `coverage`: pair_id, aligned_bars (see `transforms.pairs.count_aligned_bars`); a pair without a row has 0.

    - `base`, `quote`: short names; spread = price of base in units of quote.
    - `is_direct`: the venue lists the cross; `exchange_symbol` is its id, a perpetual before spot, base/quote before
      quote/base; null where the pair is synthetic. `is_inverted`: that instrument's price is 1/spread.
    - `base_leg`, `quote_leg`: ids of the two USDT swaps that make the pair where it is not listed itself.
    - `left_out`: why there are no features or no trades of the pair; null where it is used.
    """
    ids = frozenset(listed)
    bars = dict(coverage.select("pair_id", "aligned_bars").iter_rows())
    rows = [_row(pair, ids, bars.get(pair.pair_id, 0), min_aligned_bars) for pair in pairs]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(pair: Pair, listed: frozenset[str], bars: int, needed: int) -> tuple[str | bool | int | None, ...]:
    cross = _cross(pair, listed)
    inverted = cross is not None and cross.startswith(f"{pair.quote}-")
    legs = inst_id(pair.base), inst_id(pair.quote)
    left_out = _left_out([leg for leg in legs if leg not in listed], bars, needed)
    return pair.pair_id, pair.base, pair.quote, cross is not None, inverted, cross, *legs, bars, left_out


def _cross(pair: Pair, listed: frozenset[str]) -> str | None:
    names = (f"{pair.base}-{pair.quote}", f"{pair.quote}-{pair.base}")
    candidates = (*(f"{name}-SWAP" for name in names), *names)
    return next((name for name in candidates if name in listed), None)


def _left_out(unlisted: Sequence[str], bars: int, needed: int) -> str | None:
    # Features come from the legs' candles even where the cross is listed: without a leg there is no pair.
    if unlisted:
        return f"the venue does not list {' nor '.join(unlisted)}"
    return f"{format_count(bars, 'aligned bar')}, {needed} are needed" if bars < needed else None
