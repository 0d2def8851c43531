"""Compiled loops behind `triple_barrier` labels: positions of one or two legs, followed bar by bar until they end.

They do with numbers what a backtest's account does with records (training.backtest.account, training.backtest.fills),
for an account that always has enough margin. The tests hold the two equal, position by position.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OPEN, HIGH, LOW, CLOSE = range(4)
"""Places in the last axis of `bars`."""
ENTRY, STOP, TARGET = range(3)
"""Places in the last axis of `levels`, and of a position's legs, which have two more:"""
SIGN, SIZE = 3, 4
NO_LEG = -1
UNKNOWN = 0


@compiled
def walk_positions(
    bars: Floats,
    rates: Floats,
    known: Bools,
    levels: Floats,
    at: Ints,
    assets: Ints,
    directions: Ints,
    sizes: Floats,
    horizon: int,
    tolerated: int,
    slippage: float,
    fee: float,
) -> tuple[Ints, Floats]:
    """Return, for each of n positions, the bars until its outcome was known (`UNKNOWN`: never) and its net return.

    `bars`: assets × hours × (open, high, low, close), NaN where there is none. `rates`: assets × hours, the sum of the
    funding rates settled in the hour up to its close. `known`: assets × hours, whether bar and funding of the hour are
    both known. `levels`: assets × (short, long) × hours of decision × (entry price, stop, target). `at` (n): hour of
    decision. `assets` (n × 2): base and quote leg, or base and `NO_LEG`. `directions` (n): sign of the base leg.
    `sizes` (n × 2): base units. `slippage` and `fee` are fractions of notional. Before the outcome at most `tolerated`
    hours may be incomplete. Net returns are fractions of the notional entered, NaN where unknown.
    """
    steps, returns = np.full(len(at), UNKNOWN, dtype=np.int64), np.full(len(at), np.nan)
    for row in range(len(at)):
        count = 1 if assets[row, 1] == NO_LEG else 2
        own, legs = assets[row, :count], np.empty((count, 5))
        for leg in range(count):
            sign = directions[row] if leg == 0 else -directions[row]
            legs[leg, : TARGET + 1] = levels[own[leg], 1 if sign > 0 else 0, at[row]]
            legs[leg, SIGN], legs[leg, SIZE] = sign, sizes[row, leg]
        steps[row], money = _walk_position(bars, rates, known, legs, own, at[row], horizon, tolerated, slippage, fee)
        returns[row] = money / (legs[:, SIZE] * legs[:, ENTRY]).sum()
    return steps, returns


@compiled
def _walk_position(
    bars: Floats,
    rates: Floats,
    known: Bools,
    legs: Floats,
    assets: Ints,
    at: int,
    horizon: int,
    tolerated: int,
    slippage: float,
    fee: float,
) -> tuple[int, float]:
    """Return the bars until a position's outcome was known, and its profit; (UNKNOWN, NaN) where it never was."""
    count = len(legs)
    alive, mark = np.ones(count, dtype=np.bool_), np.full(count, np.nan)
    money, lacking = 0.0, 0
    for leg in range(count):
        if at + 1 < bars.shape[1]:
            mark[leg] = bars[assets[leg], at + 1, OPEN]
        money -= legs[leg, SIZE] * legs[leg, ENTRY] * fee
    if np.isnan(mark).any() or np.isnan(legs).any():
        return UNKNOWN, math.nan
    for step in range(1, min(horizon, bars.shape[1] - 1 - at) + 1):
        complete = True
        for leg in range(count):
            complete = complete and (known[assets[leg], at + step] or not alive[leg])
        lacking += not complete
        if lacking > tolerated:
            return UNKNOWN, math.nan
        money += _close_legs(bars, assets, at + step, legs, alive, mark, slippage, fee)
        for leg in range(count):
            if alive[leg]:
                money -= legs[leg, SIGN] * legs[leg, SIZE] * mark[leg] * rates[assets[leg], at + step]
        if step == horizon:
            for leg in range(count):
                if alive[leg] and not math.isnan(bars[assets[leg], at + step, OPEN]):
                    money += _close_leg(legs, leg, alive, mark[leg], slippage, fee)
        if _count_alive(alive) == 0:
            return step, money
    return UNKNOWN, math.nan


@compiled
def _close_legs(
    bars: Floats, assets: Ints, hour: int, legs: Floats, alive: Bools, mark: Floats, slippage: float, fee: float
) -> float:
    """Return the money from the legs that one bar closes; updates `alive` and `mark` to the bar's close.

    Legs of a whole position meet their stops and targets; a leg that is then left alone is closed at the close. A leg
    that was left alone before, because it had no bar, is closed at the open.
    """
    whole, money = _count_alive(alive) == len(legs), 0.0
    for leg in range(len(legs)):
        opened = bars[assets[leg], hour, OPEN]
        if alive[leg] and not math.isnan(opened):
            mark[leg] = bars[assets[leg], hour, CLOSE]
            price = _find_trigger_price(bars, assets[leg], hour, legs, leg) if whole else opened
            if not math.isnan(price):
                money += _close_leg(legs, leg, alive, price, slippage, fee)
    for leg in range(len(legs)):
        if _count_alive(alive) < len(legs) and alive[leg] and not math.isnan(bars[assets[leg], hour, OPEN]):
            money += _close_leg(legs, leg, alive, mark[leg], slippage, fee)
    return money


@compiled
def _count_alive(alive: Bools) -> int:
    """Count the legs that are still held (a plain loop: NumPy's reductions cost more than one or two flags)."""
    count = 0
    for leg in range(len(alive)):
        count += alive[leg]
    return count


@compiled
def _find_trigger_price(bars: Floats, asset: int, hour: int, legs: Floats, leg: int) -> float:
    """Return the price before slippage at which a bar ends a leg, NaN where the leg survives.

    A bar that opens beyond a level fills at its open. Inside the bar the adverse extreme comes first; touching a level
    triggers it.
    """
    sign, stop, target = legs[leg, SIGN], legs[leg, STOP], legs[leg, TARGET]
    opened, low, high = bars[asset, hour, OPEN], bars[asset, hour, LOW], bars[asset, hour, HIGH]
    if (opened - stop) * sign <= 0.0 or (opened - target) * sign >= 0.0:
        return float(opened)
    worst, best = (low, high) if sign > 0.0 else (high, low)
    if (worst - stop) * sign <= 0.0:
        return float(stop)
    if (best - target) * sign >= 0.0:
        return float(target)
    return math.nan


@compiled
def _close_leg(legs: Floats, leg: int, alive: Bools, reference: float, slippage: float, fee: float) -> float:
    """Close one leg at `reference`; return its gain at the price after slippage, less the fee."""
    alive[leg] = False
    price = reference * (1.0 - legs[leg, SIGN] * slippage)
    return float(legs[leg, SIGN] * legs[leg, SIZE] * (price - legs[leg, ENTRY]) - legs[leg, SIZE] * price * fee)
