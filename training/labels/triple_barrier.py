"""The `triple_barrier` label: would the strategy's own position have earned money after all costs?"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME
from pairity.errors import DataError
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.fills import BPS
from training.backtest.records import MarketHistory
from training.labels.barrier_kernels import NO_LEG, UNKNOWN, walk_positions
from training.labels.price_paths import PricePaths
from training.labels.touch import MIN_SHARE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def label_triple_barrier(pairs: pl.DataFrame, history: MarketHistory, settings: Settings) -> pl.DataFrame:
    """Label each decision by the net return of its position: 1 above 0, else 0.

    Sources: López de Prado 2018, ch. 3; docs/formulas.md, Triple barrier. `pairs`: pair_id, event_timestamp (a bar
    close within the hours of `history`), z_score and hedge_ratio as they were known at the decision. Returns, in the
    same order, pair_id, event_timestamp, label (Int8), t0, t1, net_return (profit after fees, slippage and funding, as
    a fraction of the notional entered) and watched.

    **Position.** Where |z| > `label.z_entry` it is the one that the strategy would open at that close t0: the base leg
    against the sign of z and, with `strategy.legs = "both"`, the quote leg on the other side. Legs are entered as
    takers at the next bar's open (whatever `costs.fill_model` says), sized by the hedge ratio at the closes of t0,
    without rounding to lots.

    **End.** Each leg is protected by the strategy's stops, which are met as in a backtest. Where one leg is gone, the
    other one is closed at the close of that bar; what is left after `label.horizon_bars` is closed at the close of the
    last one. Settlements up to a close hit the legs that are held into it. t1 is the close of the bar that ended the
    position.

    **Null**, with t1 = t0 + horizon, where the outcome is not known: z is unknown; the close or the funding of a traded
    leg was unknown at t0; a leg has no bar to be entered at, or none at the horizon's end; history ends first; or,
    before the outcome, more than 10% of the horizon's hours lack a leg's bar or its funding. Fewer such hours are
    passed over as in a backtest: nothing trades, and settlements are booked at the last known close.

    **Aside.** Where the strategy would not enter, because of |z| or because two legs cannot be hedged (ratio unknown or
    not positive), the label is 0 and net_return null. As for `touch`, such a row is known at t1 = t0 + horizon, and
    only if the traded legs have a bar there: a history that ended with such rows alone would teach that nothing pays at
    its end. Other reasons to stay out (funding limit, correlation, budget) say nothing about what a position earns.

    **Watched**: whether the outcome would be known at whatever hour of the horizon the position ended: the legs have a
    bar at its end, and no more than 10% of its hours lack a bar or funding. At the end of history and before an outage
    only positions that ended early have a label; to learn from those alone is to learn from a choice by outcome
    (`withhold_unwatched`).

    **Looks ahead**: the label is known at t1 only, and nothing after t1 changes it; splits purge by the whole
    horizon, so that which rows are kept does not depend on how they ended.
    """
    horizon = settings.label.horizon_bars
    paths = PricePaths(history, _list_assets(pairs))
    at, legs = _place_hours(pairs, history), _number_legs(pairs, paths, settings.strategy.legs == "both")
    z, ratio = (_read_floats(pairs, name) for name in ("z_score", "hedge_ratio"))
    hedged = (legs[:, 1] == NO_LEG) | (np.isfinite(ratio) & (ratio > 0))
    enters = np.isfinite(z) & (np.abs(z) > settings.label.z_entry) & hedged
    taken = enters & _holds_for_all_legs(paths.funded & ~np.isnan(paths.closes), legs, at)
    steps, returns = np.full(len(at), UNKNOWN), np.full(len(at), np.nan)
    steps[taken], returns[taken] = _walk_positions(paths, at[taken], legs[taken], z[taken], ratio[taken], settings)
    aside = np.isfinite(z) & ~enters & _holds_for_all_legs(paths.has_bar, legs, at + horizon)
    known = aside | (steps != UNKNOWN)
    watched = _holds_for_all_legs(paths.has_bar, legs, at + horizon) & _is_mostly_known(paths, legs, at, horizon)
    # A label without an outcome of its own is known at the horizon's end: there, not earlier, is its absence certain.
    ahead = pl.Series(np.where(steps != UNKNOWN, steps, horizon))
    return pairs.select(
        "pair_id",
        EVENT_TIME,
        pl.when(pl.Series(known)).then(pl.Series((returns > 0).astype(np.int8))).alias("label"),
        pl.col(EVENT_TIME).alias("t0"),
        (pl.col(EVENT_TIME) + pl.duration(hours=pl.lit(ahead))).alias("t1"),
        pl.Series("net_return", returns).fill_nan(None),
        pl.Series("watched", watched),
    )


def withhold_unwatched(labels: pl.DataFrame, horizon_bars: int) -> pl.DataFrame:
    """Return labels without `watched`; those that are known only because a position ended early are null.

    They are then as other unknown ones: label and net_return null, t1 = t0 + `horizon_bars` hours.
    """
    kept = [pl.when("watched").then(pl.col(name)).alias(name) for name in ("label", "net_return")]
    end = pl.when("watched").then("t1").otherwise(pl.col("t0") + pl.duration(hours=horizon_bars)).alias("t1")
    return labels.with_columns(*kept, end).drop("watched")


def _walk_positions(
    paths: PricePaths, at: Ints, legs: Ints, z: Floats, ratio: Floats, settings: Settings
) -> tuple[Ints, Floats]:
    directions = np.where(z > 0, -1, 1)
    wanted = np.zeros((len(paths.assets), 2, len(paths.history.hours)), dtype=np.bool_)
    wanted[legs[:, 0], (directions > 0).astype(np.int64), at] = True
    second = legs[:, 1] != NO_LEG
    wanted[legs[second, 1], (directions[second] < 0).astype(np.int64), at[second]] = True
    # For a single leg `NO_LEG` reads some asset's close here; the kernel never looks at that leg.
    sizes = np.ones((len(at), 2)) / paths.closes[legs, at[:, None]]
    sizes[:, 1] *= ratio
    horizon, costs = settings.label.horizon_bars, settings.costs
    steps, returns = walk_positions(
        paths.bars,
        paths.rates,
        paths.has_bar & paths.funded,
        paths.compute_levels(wanted, settings.strategy, costs),
        at,
        legs,
        directions,
        sizes,
        horizon,
        _count_tolerated(horizon),
        costs.slippage_bps * BPS,
        costs.taker_fee_bps * BPS,
    )
    return steps, returns


def _count_tolerated(horizon: int) -> int:
    """Return how many hours of a horizon may lack a bar or funding."""
    return horizon - math.ceil(MIN_SHARE * horizon)


def _is_mostly_known(paths: PricePaths, legs: Ints, at: Ints, horizon: int) -> Bools:
    """Return, per row, whether enough of the hours after `at` up to the horizon have bar and funding of all legs."""
    known = paths.has_bar & paths.funded
    enough = np.zeros(len(at), dtype=np.bool_)
    for base, quote in np.unique(legs, axis=0):
        own = np.flatnonzero((legs[:, 0] == base) & (legs[:, 1] == quote))
        lacking = ~(known[base] & (known[quote] if quote != NO_LEG else True))
        before = np.concatenate([[0], np.cumsum(lacking)])
        end = np.minimum(at[own] + horizon, known.shape[1] - 1) + 1
        enough[own] = before[end] - before[at[own] + 1] <= _count_tolerated(horizon)
    return enough


def _list_assets(pairs: pl.DataFrame) -> list[str]:
    return sorted({asset for name in pairs["pair_id"].unique() for asset in Pair.from_id(name).assets})


def _number_legs(pairs: pl.DataFrame, paths: PricePaths, both: bool) -> Ints:
    """Return the numbers of the traded assets, rows × (base, quote); `NO_LEG` for a quote that is not traded."""
    numbers = {name: [paths.index[asset] for asset in Pair.from_id(name).assets] for name in pairs["pair_id"].unique()}
    legs = np.array([numbers[name] for name in pairs["pair_id"]], dtype=np.int64).reshape(-1, 2)
    if not both:
        legs[:, 1] = NO_LEG
    return legs


def _place_hours(pairs: pl.DataFrame, history: MarketHistory) -> Ints:
    """Return the place of each row's close among the history's hours."""
    first, last = history.hours[0], history.hours[-1]
    if pairs.filter(~pl.col(EVENT_TIME).is_between(first, last)).height:
        raise DataError(f"decisions lie outside of the history from {first} to {last}", "report this")
    return pairs.select((pl.col(EVENT_TIME) - first).dt.total_hours())[EVENT_TIME].to_numpy()


def _holds_for_all_legs(flags: Bools, legs: Ints, at: Ints) -> Bools:
    """Return, per row, whether all traded legs have the flag at its hour; False beyond the last hour."""
    inside = at < flags.shape[1]
    place = np.minimum(at, flags.shape[1] - 1)
    other = (legs[:, 1] == NO_LEG) | flags[legs[:, 1], place]
    all_legs: Bools = inside & flags[legs[:, 0], place] & other
    return all_legs


def _read_floats(pairs: pl.DataFrame, name: str) -> Floats:
    return pairs[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
