"""Isolated margin in a backtest: against the exact one, and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.margin import MarginMode
from pairity.strategy.types import Side
from tests.training.backtest.test_engine_oracle import ASSETS, compare, ruinous, strategy_of
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.fills import limit_loss, solve_liquidation_price
from training.backtest.policies import Strategy
from training.backtest.records import OpenLeg, Terms

ISOLATED = MarginMode.ISOLATED


def isolated(leverage: int, rate: float = 0.004, **changes: object) -> Terms:
    terms = Terms(
        initial_equity=1000.0,
        taker_fee_bps=5.0,
        slippage_bps=1.0,
        leverage=leverage,
        maintenance_rate=rate,
        margin_mode=ISOLATED,
    )
    return replace(terms, **changes)  # type: ignore[arg-type]


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    legs=st.sampled_from(["base", "both"]),
    fill_model=st.sampled_from(["next_open_taker", "limit_maker"]),
    stop=st.sampled_from([0.004, 0.03, 0.3]),
    leverage=st.sampled_from([1, 5, 20, 50]),
    positions=st.integers(1, 3),
    rate=st.sampled_from([0.004, 0.015]),
)
def test_equals_an_exact_decimal_backtest(seed, legs, fill_model, stop, leverage, positions, rate):
    history, scores = random_market(seed, assets=ASSETS, count=60)
    wanted = strategy_of(
        stop,
        legs=legs,
        leverage=leverage,
        max_concurrent_positions=positions,
        hedge_tolerance=0.1,
        margin_mode=ISOLATED,
        target_bounds=(0.3, 0.9),
    )
    compare(history, scores, wanted, isolated(leverage, rate, fill_model=fill_model))


def test_random_markets_liquidate_single_legs_and_pass_over_the_account():
    """Otherwise the comparison with the oracle would say little of liquidation; the account survives it."""
    met: Counter[str] = Counter()
    for seed in range(3):
        history, scores = random_market(seed, assets=ASSETS, count=60)
        met += compare(history, scores, ruinous("both", 2), isolated(20))
    assert met["liquidation"] > 1
    assert met["other_leg"] > 1


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), leverage=st.sampled_from([5, 20, 50]))
def test_no_leg_loses_more_than_its_margin(seed: int, leverage: int) -> None:
    history, scores = random_market(seed, assets=ASSETS, count=60)
    strategy = Strategy(ruinous("both", 2))
    found = run_backtest(history, scores, strategy, isolated(leverage), decision_lag=LAG, train_end=None)
    for row in found.trades.iter_rows(named=True):
        margin = row["size_base"] * row["entry_price"] / leverage
        entry_fee = row["size_base"] * row["entry_price"] * 5e-4
        # Funding received adds to the margin, so it can be lost as well: net of it, the margin is all.
        assert row["net_pnl"] >= -margin - entry_fee - 1e-9


def leg(side: Side, margin: float) -> OpenLeg:
    return OpenLeg(
        index=0,
        asset="BTC",
        side=side,
        contracts=1,  # type: ignore[arg-type]
        size=2.0,
        reference_price=100.0,
        entry_price=100.0,
        stop_price=None,
        target_price=None,
        fees=0.0,
        mark=100.0,
        margin=margin,
    )


@pytest.mark.parametrize(("side", "level", "ruin"), [(Side.BUY, 80.321, 80.04), (Side.SELL, 119.522, 119.94)])
def test_by_hand(side: Side, level: float, ruin: float) -> None:
    """2 coins at 100 with a margin of 40: long 160 = 2p·0.996, and 160 = 2p·0.9995 at the end of its margin."""
    held = leg(side, 40.0)
    found = solve_liquidation_price(held, held.margin, 0.004)
    assert found == pytest.approx(level, abs=1e-3)
    assert found is not None
    assert limit_loss(held, found, 0.0005) == found
    assert limit_loss(held, 10.0 if side is Side.BUY else 500.0, 0.0005) == pytest.approx(ruin, abs=1e-3)


def test_one_times_leverage_is_never_liquidated_by_a_fall() -> None:
    held = leg(Side.BUY, 200.0)
    assert solve_liquidation_price(held, held.margin, 0.0045) is None
