"""Small markets made up for tests: seeded, with gaps, and with prices on a tick so that levels are met exactly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from pairity.strategy.types import AssetView, PairScore
from pairity.universe import ContractSpec, inst_id, pairs_of
from training.backtest.records import HourScores, MarketHistory, PriceBar, Settlement

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAG = timedelta(seconds=30)


def spec(asset, ct_val="0.01", lot="0.1", tick="0.01"):
    return ContractSpec(
        instrument=inst_id(asset),
        ct_val=Decimal(ct_val),
        lot_sz=Decimal(lot),
        min_sz=Decimal(lot),
        tick_sz=Decimal(tick),
        max_leverage=Decimal(50),
    )


def hours(count, start=START):
    return tuple(start + index * HOUR for index in range(count))


def flat_history(closes, funding=None, specs=None, **views):
    """A history from {asset: [close, …]}: each bar opens at the close before; None is a missing bar."""
    times = hours(len(next(iter(closes.values()))))
    bars, seen = {}, {time: {} for time in times}
    for asset, path in closes.items():
        bars[asset], before = {}, next(value for value in path if value is not None)
        for time, close in zip(times, path, strict=True):
            if close is not None:
                bars[asset][time] = PriceBar(before, max(before, close), min(before, close), close)
                before = close
            seen[time][asset] = AssetView(
                asset=asset,
                close=close,
                atr=views.get("atr"),
                volatility=views.get("volatility", 0.01),
                funding_rate=views.get("rate", 0.0001),
                spec=(specs or {}).get(asset, spec(asset)),
            )
    return MarketHistory(times, seen, bars, funding or {})


def random_market(seed, count=60, assets=("BTC", "ETH", "SOL")):
    """Random walks on a 0.01 tick with gaps at opens, missing bars, unknown values and random scores."""
    rng = np.random.default_rng(seed)
    times = hours(count)
    bars, settlements = {}, {}
    seen = {time: {} for time in times}
    for index, asset in enumerate(assets):
        price = 50.0 * (index + 1)
        bars[asset] = {}
        for time in times:
            opened = round(price * (1 + rng.normal(0, 0.002)), 2)
            closed = round(opened * (1 + rng.normal(0, 0.008)), 2)
            high = round(max(opened, closed) * (1 + abs(rng.normal(0, 0.003))), 2)
            low = round(min(opened, closed) * (1 - abs(rng.normal(0, 0.003))), 2)
            missing = rng.random() < 0.05
            if not missing:
                bars[asset][time] = PriceBar(opened, max(high, opened, closed), min(low, opened, closed), closed)
                price = closed
            seen[time][asset] = AssetView(
                asset=asset,
                close=None if missing else closed,
                atr=None if rng.random() < 0.2 else 0.01 * price * rng.random() / 5,
                volatility=0.01,
                funding_rate=None if rng.random() < 0.05 else float(rng.normal(0, 0.0004)),
                spec=spec(asset),
            )
        settlements[asset] = [Settlement(t, float(rng.normal(0, 0.002))) for t in times if t.hour % 8 == 0]
    return MarketHistory(times, seen, bars, settlements), random_scores(rng, times, pairs_of(assets))


def random_scores(rng, times, pairs):
    scores = {}
    for time in times:
        if rng.random() < 0.03:
            continue
        lines = [
            PairScore(pair, None, None, "missing")
            if rng.random() < 0.1
            else PairScore(pair, float(rng.normal(0, 1.5)), float(rng.random()), None, _hedge_ratio(pair))
            for pair in pairs
        ]
        scores[time] = HourScores(tuple(lines), {pair.pair_id: float(rng.uniform(-1, 1)) for pair in pairs})
    return scores


def _hedge_ratio(pair):
    """Fixed by the names, so that the sequence of random numbers does not depend on it; some cannot be hedged."""
    return (0.7, 1.6, 0.4, -0.2, None)[sum(map(ord, pair.pair_id)) % 5]


def constant_scores(times, *lines):
    """The same scores at each hour, or one tuple of PairScore per hour where `lines` has as many as `times`."""
    if len(lines) == len(times):
        return {time: HourScores(tuple(line)) for time, line in zip(times, lines, strict=True)}
    return dict.fromkeys(times, HourScores(tuple(lines)))
