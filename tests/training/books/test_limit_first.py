"""Limit orders first: reached only where the bar trades through them, else market orders at its end."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from pairity.books.families import BOOK_FAMILIES
from tests.oracles.book_money import trade_plan
from tests.training.books.markets import LOT, make_market, make_panel, make_specs
from training.books.account import BOOK_REASON, BookCosts
from training.books.engine import BookTerms, run_book
from training.books.executions import summarise_fills
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

FIRST = 2_300
FAMILY = BOOK_FAMILIES["trend_book"]


@pytest.fixture(scope="module")
def market():
    return make_market(11)


@pytest.fixture(scope="module")
def history(market):
    return FeatureHistory(make_panel(market))


def trade(history, market, family=FAMILY, maker=2.0, delay=0, impact=1.0, plan=None):
    terms = BookTerms(100_000.0, BookCosts(5.0, 1.0, impact, maker), delay_h=delay)
    return run_book(history, family, terms, make_specs(market), first=FIRST, plan=plan)


@pytest.mark.parametrize("family", ["trend_book", "carry_book", "trend_carry_book", "pair_continuation"])
@pytest.mark.parametrize("delay", [0, 24, 30])
@pytest.mark.parametrize("maker", [None, 2.0])
def test_equity_is_that_of_exact_decimals(market, history, family, delay, maker):
    chosen, specs = BOOK_FAMILIES[family], make_specs(market)
    plan = plan_book(history, chosen, frozenset(specs), first=FIRST, costs=BookCosts(5.0, 1.0))
    run = trade(history, market, chosen, maker, delay, plan=plan)
    exact, reached, missed = trade_plan(
        market, [(one.hour, one.weights, {n: f.volatility for n, f in one.features.items()}) for one in plan],
        first=FIRST, band=chosen.band, worth=1e5, lot=LOT, fee=5e-4, slip=1e-4, impact=1.0,
        maker=None if maker is None else maker / 1e4, delay=delay,
    )  # fmt: skip
    got = run.result.equity["equity"].to_list()
    assert len(got) == len(exact)
    assert max(abs(Decimal(own) / other - 1) for own, other in zip(got, exact, strict=True)) < Decimal("1e-11")
    if maker is not None:
        assert reached > 5 < missed


def test_a_limit_is_reached_where_the_next_bar_trades_through_and_nowhere_else(market, history):
    run = trade(history, market)
    by_hour = {decision.hour + 1: decision for decision in run.decisions}
    entered = 0
    for hour, early, name, size, price, fee, maker in run.fills.iter_rows():
        decision = by_hour.get(hour)
        wanted = decision and {change.name for change in decision.changes if change.is_traded}
        if not decision or name not in wanted or market["open"][name][hour] is None:
            assert not maker
            continue
        limit, entered = market["close"][name][hour - 1], entered + 1
        through = market["low"][name][hour] < limit if size > 0 else market["high"][name][hour] > limit
        assert maker == early == through
        if maker:
            assert price == limit
            assert fee == pytest.approx(abs(size) * price * 2e-4)
        else:
            end = market["close"][name][hour]
            assert (price - end) * size > 0
            assert fee == pytest.approx(abs(size) * price * 5e-4)
    assert entered > 50


@pytest.mark.parametrize("side", ["low", "high"])
def test_touching_is_not_enough(market, side):
    """Bars that reach exactly the close before them, on one side, and not beyond it."""
    rows = {kind: {name: list(values) for name, values in market[kind].items()} for kind in ("low", "high")}
    for name, values in rows[side].items():
        for hour in range(FIRST, len(values)):
            before = market["close"][name][hour - 1]
            if values[hour] is not None and before is not None:
                values[hour] = before
    changed = {**market, **rows}
    fills = trade(FeatureHistory(make_panel(changed)), changed).fills
    bought = fills.filter((pl.col("size_base") > 0) == (side == "low"))
    other = fills.filter((pl.col("size_base") > 0) == (side == "high"))
    assert not bought["maker"].any()
    assert other["maker"].any()


@pytest.mark.parametrize("delay", [24, 30])
def test_the_limit_of_a_delayed_order_is_of_the_moment_at_which_it_is_placed(market, history, delay):
    run = trade(history, market, delay=delay)
    limits = run.fills.filter(pl.col("maker"))
    assert limits.height > 20
    for hour, name, price in limits.select("hour", "name", "price").iter_rows():
        assert price == market["close"][name][hour - 1]


def test_nothing_is_better_than_the_close_that_was_decided_at(market, history):
    """What is filled by a limit order is what trades through it: on average the market has gone against it."""
    fills = trade(history, market).fills.filter(pl.col("maker"))
    after = np.array([market["close"][name][hour] for hour, name in fills.select("hour", "name").iter_rows()])
    paid, size = fills["price"].to_numpy(), fills["size_base"].to_numpy()
    assert ((after - paid) * np.sign(size) / paid).mean() < 0


def test_a_name_that_ends_while_its_order_waits_is_not_entered_at_its_end(market, history):
    run = trade(history, market)
    last = max(hour for hour, close in enumerate(market["close"]["N03"]) if close is not None)
    gone = run.fills.filter((pl.col("name") == "N03") & (pl.col("hour") == last))
    assert not gone.filter(pl.col("maker")).height
    assert run.fills.filter((pl.col("name") == "N03") & (pl.col("hour") > last)).is_empty()
    assert run.result.trades.filter(pl.col("asset") == "N03")["exit_reason"][-1] != BOOK_REASON


def test_the_share_of_limit_orders_is_told(market, history):
    run = trade(history, market)
    share, orders = summarise_fills(run.fills)
    worth = (run.fills["size_base"].abs() * run.fills["price"]).to_numpy()
    assert share == pytest.approx(worth[run.fills["maker"].to_numpy()].sum() / worth.sum())
    assert 0 < share < 1
    assert orders == run.fills["maker"].sum()
    assert summarise_fills(run.fills.clear()) == (None, 0)
