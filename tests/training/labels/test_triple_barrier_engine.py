"""Labels against the backtest engine: a policy opens one position at one close, and history ends with the horizon."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import Settings
from pairity.strategy.selection import choose_direction, list_legs
from pairity.strategy.stops import choose_stop_rule
from pairity.strategy.types import Action, Decision, Entry, LegOrder
from pairity.universe import Pair, exact, pairs_of
from tests.training.generated import HOUR, LAG, random_market, spec
from training.backtest.engine import run_backtest
from training.backtest.records import Terms
from training.labels.triple_barrier import label_triple_barrier

pytestmark = pytest.mark.slow

ASSETS = ("BTC", "ETH", "SOL")
UTC_US = pl.Datetime("us", "UTC")


class OnePosition:
    """Opens one position at one close, with a base leg of 1000 USDT, and never decides anything again."""

    protected = True

    def __init__(self, pair, at, z, ratio, strategy):
        self.pair, self.at, self.z, self.ratio, self.strategy = pair, at, z, ratio, strategy

    def decide(self, state, scores, market):
        if market.event_timestamp != self.at:
            return Decision(action=Action.HOLD, reason="", scores=(), exits=(), entries=(), state=state)
        direction = choose_direction(self.z)
        orders = []
        for share, (name, side) in zip((1.0, self.ratio), list_legs(self.pair, direction, self.strategy), strict=False):
            asset = market.assets[name]
            contracts = exact(1000.0 * share / asset.close) / asset.spec.ct_val
            rule = choose_stop_rule(asset, market.assets.get("BTC"), self.strategy)
            orders.append(LegOrder(name, side, contracts, asset.close, rule))
        entry = Entry(
            position_id="one",
            pair=self.pair,
            direction=direction,
            z=self.z,
            probability=1.0,
            score=1.0,
            legs=tuple(orders),
        )
        return Decision(action=Action.OPEN, reason="", scores=(), exits=(), entries=(entry,), state=state)


def by_engine(history, row, config):
    """(label, t1, net return) of one row, (None, t0 + horizon, None) where it has none; and how the position ended."""
    horizon, strategy = config.label.horizon_bars, config.strategy
    t0, z, ratio = row["event_timestamp"], row["z_score"], row["hedge_ratio"]
    pair, end = Pair.from_id(row["pair_id"]), t0 + horizon * HOUR
    traded = pair.assets if strategy.legs == "both" else (pair.base,)
    nothing = (None, end, None), "null"
    if z is None:
        return nothing
    if abs(z) <= config.label.z_entry or (strategy.legs == "both" and (ratio is None or ratio <= 0)):
        there = all(end in history.bars[asset] for asset in traded)
        return (0 if there else None, end, None), "aside"
    views = [history.views[t0][asset] for asset in traded]
    if any(view.close is None or view.funding_rate is None for view in views):
        return nothing
    hours = tuple(hour for hour in history.hours if t0 <= hour <= end)
    costs = config.costs
    terms = Terms(initial_equity=1e7, taker_fee_bps=costs.taker_fee_bps, slippage_bps=costs.slippage_bps)
    policy = OnePosition(pair, t0, z, ratio, strategy)
    result = run_backtest(replace(history, hours=hours), {}, policy, terms, decision_lag=LAG, train_end=None)
    trades = result.trades.to_dicts()
    if not trades:
        return nothing
    t1 = result.equity.filter((pl.col("time") > t0) & (pl.col("positions") == 0))["time"][0]
    ended = [trade["asset"] for trade in trades if trade["exit_reason"] == "end_of_data"]
    if ended and (hours[-1] < end or any(end not in history.bars[asset] for asset in ended)):
        return nothing
    gone, how = {trade["asset"]: t1 for trade in trades}, trades[0]["exit_reason"]
    if trades[-1]["exit_reason"] == "other_leg" and trades[-1]["closed_at"] < t1:  # it waited for its next bar
        gone[trades[0]["asset"]], how = broken_in(history, *trades), "waited"
    tells = [
        all(
            hour > gone[asset] or (hour in history.bars[asset] and history.views[hour][asset].funding_rate is not None)
            for asset in traded
        )
        for hour in hours
        if t0 < hour <= t1
    ]
    if 10 * (horizon - tells.count(False)) < 9 * horizon:
        return nothing
    net = sum(trade["net_pnl"] for trade in trades) / sum(t["size_base"] * t["entry_price"] for t in trades)
    return (int(net > 0), t1, net), how


def broken_in(history, stopped, other):
    """Close of the bar in which the first leg went; at the open of a bar (a gap) the log says when the bar before it
    closed. The other leg had no bar then, or it would have been closed too."""
    at = stopped["closed_at"]
    inside = stopped["exit_reference"] in (stopped["stop_price"], stopped["target_price"])
    return at if inside and at not in history.bars[other["asset"]] else at + HOUR


def market_of(seed, tick, count=60):
    """A random market in which volatilities differ, some are unknown, and prices move on a tick of their own."""
    history, _ = random_market(seed, count, ASSETS)
    rng = np.random.default_rng(seed)
    views = {
        hour: {
            name: replace(
                view,
                spec=spec(name, tick=tick),
                volatility=None if rng.random() < 0.1 else float(rng.uniform(0.002, 0.03)),
            )
            for name, view in seen.items()
        }
        for hour, seen in history.views.items()
    }
    return replace(history, views=views)


def decisions(seed, hours):
    rng = np.random.default_rng(seed)
    rows = [
        (
            pair.pair_id,
            hour,
            None if rng.random() < 0.05 else float(rng.normal(0, 2.0)),
            (0.7, 1.6, 0.4, 1.0, 3.0, -0.2, None)[rng.integers(7)],
        )
        for pair in pairs_of(ASSETS)
        for hour in hours
    ]
    schema = {"pair_id": pl.String, "event_timestamp": UTC_US, "z_score": pl.Float64, "hedge_ratio": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def config_of(legs, horizon, stop, model, slippage=1.0):
    return Settings(
        label={"kind": "triple_barrier", "horizon_bars": horizon},
        strategy={
            "legs": legs,
            "stop_model": model,
            "stop_bounds": (stop, 2 * stop),
            "target_bounds": (stop, 3 * stop),
            "stop_default": stop,
            "target_default": stop,
        },
        costs={"slippage_bps": slippage},
    )


def compare(history, pairs, config):
    """Number of rows by how their positions ended; each row is held against the engine."""
    labels = label_triple_barrier(pairs, history, config)
    met = Counter()
    for row, found in zip(pairs.iter_rows(named=True), labels.iter_rows(named=True), strict=True):
        expected, how = by_engine(history, row, config)
        met[how] += 1
        assert (found["label"], found["t1"]) == expected[:2], (row, found, how)
        assert found["t0"] == row["event_timestamp"]
        assert found["net_return"] == (None if expected[2] is None else pytest.approx(expected[2], abs=1e-9))
    return met


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    legs=st.sampled_from(["base", "both"]),
    horizon=st.integers(1, 30),
    stop=st.sampled_from([0.004, 0.01, 0.03]),
    model=st.sampled_from(["atr", "volatility"]),
    slippage=st.sampled_from([0.0, 1.0, 30.0]),
    tick=st.sampled_from(["0.01", "0.25"]),
)
def test_equals_a_backtest_of_that_one_position(seed, legs, horizon, stop, model, slippage, tick):
    history = market_of(seed, tick)
    rng = np.random.default_rng(seed)
    hours = sorted(rng.choice(history.hours, 8, replace=False))
    compare(history, decisions(seed, hours), config_of(legs, horizon, stop, model, slippage))


@pytest.mark.parametrize(
    ("legs", "ends"),
    [
        ("base", {"stop_loss", "take_profit", "end_of_data", "aside", "null"}),
        ("both", {"stop_loss", "take_profit", "end_of_data", "aside", "null", "waited"}),
    ],
)
def test_random_markets_meet_every_kind_of_end(legs, ends):
    """Otherwise the comparison with the engine would say little."""
    met = Counter()
    for seed in range(3):
        history = market_of(seed, "0.01")
        for horizon, stop in ((20, 0.012), (10, 0.05)):
            met += compare(history, decisions(seed, history.hours[::5]), config_of(legs, horizon, stop, "atr"))
    assert set(met) == ends
