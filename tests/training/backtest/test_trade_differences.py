"""Every value that two logs differ in is found and named; what the venue's rules explain is told apart."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import polars as pl
import pytest

from tests.serving.pair_replay import make_history
from tests.serving.test_replay_equals_backtest import strategy
from tests.training.generated import LAG
from training.backtest.engine import run_backtest
from training.backtest.fills import apply_slippage
from training.backtest.policies import Strategy
from training.backtest.records import Terms
from training.backtest.trade_differences import (
    AFTER_SILENCE,
    AT_NEXT_OPEN,
    GAP,
    HELD_INTO_SETTLEMENT,
    Replayed,
    compare_trades,
)

HOUR = timedelta(hours=1)


def quotes(_asset, price, sign):
    return apply_slippage(price, sign, 0.5)


@pytest.fixture(scope="module")
def traded():
    """A backtest of two legs and three positions, with its history."""
    history, scores = make_history(1, 120)
    terms = Terms(initial_equity=100_000.0, taker_fee_bps=5.0, slippage_bps=0.5)
    result = run_backtest(history, scores, Strategy(strategy()), terms, decision_lag=LAG, train_end=None)
    assert result.trades.height > 20
    return result, history


def mirror(result):
    """What a replay without any difference has: its own instants, reasons by position."""
    ended = pl.col("exit_reason") != "end_of_data"
    trades = result.trades
    assert "end_of_data" in set(trades["exit_reason"])
    # Executions of decisions come seconds after the close, and those of stops within the bar.
    on_venue = pl.col("exit_reason").is_in(["stop_loss", "take_profit", "liquidation"])
    closed = pl.when(on_venue).then(pl.col("closed_at")).otherwise(pl.col("closed_at") + LAG)
    legs = trades.with_columns(
        opened_at=pl.col("opened_at") + LAG,
        closed_at=pl.when(ended).then(closed),
        exit_price=pl.when(ended).then(pl.col("exit_price")),
        leg_pnl=pl.when(ended).then(pl.col("leg_pnl")),
    )
    lost = (pl.col("exit_reason") == "other_leg").any()
    positions = (
        trades.filter(ended)
        .group_by("position_id", maintain_order=True)
        .agg(
            pl.when(lost).then(pl.lit("leg_risk")).otherwise(pl.col("exit_reason").first()).alias("exit_reason"),
            pl.col("funding").sum(),
            pl.col("net_pnl").sum(),
        )
    )
    return Replayed(legs, positions, result.equity.select("time", "equity"), result.decisions)


def compare(traded, **changed):
    result, history = traded
    own = mirror(result)
    parts = {name: changed.get(name, getattr(own, name)) for name in ("legs", "positions", "equity", "decisions")}
    return compare_trades(result, Replayed(**parts), history, quotes)


def change(frame, row, **values):
    at = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(at).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def test_equal_logs_have_no_difference(traded):
    found = compare(traded)
    assert found.differences == ()
    assert found.legs == traded[0].trades.height
    assert found.decisions == 120
    assert found.equity_hours > 5
    assert found.values > 6 * found.legs


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("side", "hold", "side"),
        ("asset", "PEPE", "asset"),
        ("contracts", "1.5", "contracts"),
        ("entry_price", 1.0, "entry price"),
        ("stop_price", 1.0, "stop price"),
        ("target_price", None, "target price"),
        ("exit_price", 1.0, "exit price"),
        ("leg_pnl", 0.25, "profit"),
        ("fees", 0.25, "fees"),
    ],
)
def test_a_changed_value_is_found_and_named(traded, column, value, what):
    legs = mirror(traded[0]).legs
    row = legs.with_row_index().filter(pl.col("exit_reason") == "z_cross")["index"][0]
    found = compare(traded, legs=change(legs, row, **{column: value}))
    assert [(one.what, one.explanation) for one in found.differences] == [(what, None)]
    assert found.differences[0].position_id == legs["position_id"][row]


def test_the_smallest_change_of_money_is_found(traded):
    positions = mirror(traded[0]).positions
    paid = positions.filter(pl.col("funding") != 0)["position_id"][0]
    moved = positions.with_columns(
        funding=pl.col("funding") + pl.when(pl.col("position_id") == paid).then(1e-5).otherwise(0.0)
    )
    found = compare(traded, positions=moved)
    assert [(one.position_id, one.what) for one in found.unexplained] == [(paid, "funding")]


def test_shifted_instants_are_found(traded):
    legs = mirror(traded[0]).legs
    for column, what in (("opened_at", "opened at"), ("closed_at", "closed at")):
        row = legs.with_row_index().filter(pl.col("exit_reason") == "z_cross")["index"][0]
        found = compare(traded, legs=change(legs, row, **{column: legs[column][row] + HOUR}))
        assert [one.what for one in found.unexplained] == [what]


def test_missing_and_extra_trades_are_found(traded):
    legs = mirror(traded[0]).legs
    found = compare(traded, legs=legs.slice(1))
    assert [(one.what, one.replay) for one in found.unexplained] == [("trade", "nothing")]
    extra = legs.head(1).with_columns(position_id=pl.lit("BTC__ETH@20300101T0000Z"))
    found = compare(traded, legs=pl.concat([legs, extra]))
    assert [(one.what, one.backtest) for one in found.unexplained] == [("trade", "nothing")]


def test_a_position_that_is_still_open_is_no_closed_one(traded):
    legs = mirror(traded[0]).legs
    row = legs.with_row_index().filter(pl.col("exit_reason") == "z_cross")["index"][0]
    found = compare(traded, legs=change(legs, row, closed_at=None))
    assert [(one.what, one.replay) for one in found.unexplained] == [("closed at", "open")]


def test_decisions_and_equity_are_compared_hour_by_hour(traded):
    own = mirror(traded[0])
    found = compare(traded, decisions=change(own.decisions, 3, action="switch"))
    assert [(one.what, one.replay) for one in found.unexplained] == [("decision", "switch")]
    flat = traded[0].equity.with_row_index().filter(pl.col("positions") == 0)["index"][0]
    found = compare(traded, equity=change(own.equity, flat, equity=100_000.5))
    assert [one.what for one in found.unexplained] == ["equity"]


def test_a_left_leg_may_go_at_the_next_open_and_nowhere_else(traded):
    result, history = traded
    legs = mirror(result).legs
    left = legs.with_row_index().filter(pl.col("exit_reason") == "other_leg").row(0, named=True)
    bar = history.bars[left["asset"]][result.trades["closed_at"][left["index"]] + HOUR]
    sign = -1 if left["side"] == "buy" else 1
    price = quotes(left["asset"], bar.open, sign)
    assert compare(traded, legs=change(legs, left["index"], exit_price=price)).unexplained == ()
    found = compare(traded, legs=change(legs, left["index"], exit_price=price * 1.001))
    assert [one.what for one in found.unexplained] == ["exit price"]
    assert AT_NEXT_OPEN not in {one.explanation for one in found.unexplained}


def test_a_left_leg_may_be_held_into_the_settlement_at_its_close_and_pays_exactly_that(traded):
    result, history = traded
    trades = result.trades.with_row_index()
    left = next(
        row
        for row in trades.filter(pl.col("exit_reason") == "other_leg").iter_rows(named=True)
        if row["closed_at"].hour % 8 == 0
    )
    own = mirror(result)
    rate = next(one.rate for one in history.settlements[left["asset"]] if one.time == left["closed_at"])
    close = history.bars[left["asset"]][left["closed_at"]].close
    later = (1 if left["side"] == "buy" else -1) * left["size_base"] * close * rate
    at = pl.col("position_id") == left["position_id"]
    moved = own.positions.with_columns(funding=pl.col("funding") + pl.when(at).then(later).otherwise(0.0))
    # The equity of the hours after it has the payment, too.
    paid = own.equity.with_columns(
        equity=pl.col("equity") - pl.when(pl.col("time") >= left["closed_at"]).then(later).otherwise(0.0)
    )
    found = compare(traded, positions=moved, equity=paid)
    assert [(one.what, one.explanation) for one in found.differences] == [("funding", HELD_INTO_SETTLEMENT)]
    twice = own.positions.with_columns(funding=pl.col("funding") + pl.when(at).then(2 * later).otherwise(0.0))
    assert [one.what for one in compare(traded, positions=twice).unexplained] == ["funding"]


def test_of_two_legs_that_end_on_the_venue_a_stop_names_the_position(traded):
    result, history = traded
    both = result.trades.filter(pl.col("exit_reason") == "z_cross")["position_id"][0]
    own = pl.col("position_id") == both
    reasons = pl.when(pl.col("leg") == 0).then(pl.lit("take_profit")).otherwise(pl.lit("stop_loss"))
    trades = result.trades.with_columns(exit_reason=pl.when(own).then(reasons).otherwise(pl.col("exit_reason")))
    changed = dataclasses.replace(result, trades=trades)
    seen = mirror(result)
    named = seen.positions.with_columns(
        exit_reason=pl.when(own).then(pl.lit("stop_loss")).otherwise(pl.col("exit_reason"))
    )
    legs = seen.legs.with_columns(
        closed_at=pl.when(own).then(result.trades["closed_at"]).otherwise(pl.col("closed_at"))
    )
    replayed = Replayed(legs, named, seen.equity, seen.decisions)
    assert compare_trades(changed, replayed, history, quotes).differences == ()


def test_a_stop_one_tick_away_is_a_difference_and_so_is_its_fill(traded):
    result, _ = traded
    legs = mirror(result).legs
    stopped = legs.with_row_index().filter(pl.col("exit_reason") == "stop_loss").row(0, named=True)
    level = round(stopped["stop_price"] + 0.01, 2)
    price = quotes(stopped["asset"], level, -1 if stopped["side"] == "buy" else 1)
    found = compare(traded, legs=change(legs, stopped["index"], stop_price=level, exit_price=price))
    assert [(one.what, one.explanation) for one in found.differences] == [("stop price", None), ("exit price", None)]


def test_a_gap_is_dated_at_the_open_or_at_the_bars_end(traded):
    result, history = traded
    trades = result.trades
    stopped = trades.with_row_index().filter(pl.col("exit_reason") == "stop_loss").row(0, named=True)
    earlier = stopped["closed_at"] - HOUR
    bar = history.bars[stopped["asset"]][stopped["closed_at"]]
    gapped = change(trades, stopped["index"], closed_at=earlier, exit_reference=bar.open)
    found = compare_trades(dataclasses.replace(result, trades=gapped), mirror(result), history, quotes)
    assert [(one.what, one.explanation) for one in found.differences] == [("closed at", GAP)]


def left_leg(result):
    """The first leg that the engine closed because its position had lost the other one."""
    return result.trades.with_row_index().filter(pl.col("exit_reason") == "other_leg").row(0, named=True)


def test_decisions_that_nobody_made_are_explained_where_a_reason_is_given(traded):
    result, history = traded
    own, closes = mirror(result), result.decisions["time"][10:12].to_list()
    fewer = dataclasses.replace(own, decisions=own.decisions.filter(~pl.col("time").is_in(closes)))
    silent = {closes[0]: "the venue was out"}
    found = compare_trades(result, fewer, history, quotes, silent)
    assert [(one.position_id, one.what, one.replay, one.explanation) for one in found.differences] == [
        (f"{closes[0]:%Y-%m-%d %H:%M}", "decision", "none", "the venue was out"),
        (f"{closes[1]:%Y-%m-%d %H:%M}", "decision", "none", None),
    ]


@pytest.mark.parametrize(("hours", "silence", "explained"), [(2, 2, True), (1, 2, True), (2, 1, False), (2, 0, False)])
def test_a_left_leg_is_closed_when_the_process_looks_again_at_the_quote_there(traded, hours, silence, explained):
    result, history = traded
    leg = left_leg(result)
    at, sign = leg["closed_at"], 1 if leg["side"] == "buy" else -1
    closed = at + hours * HOUR
    price = quotes(leg["asset"], history.bars[leg["asset"]][closed + HOUR].open, -sign)
    moved = sign * leg["size_base"] * (price - leg["exit_price"])
    legs = change(
        mirror(result).legs,
        leg["index"],
        closed_at=closed + LAG,
        exit_price=price,
        leg_pnl=leg["leg_pnl"] + moved,
    )
    silent = {at + hour * HOUR: "the venue was out" for hour in range(silence)}
    parts = dataclasses.replace(mirror(result), legs=legs)
    found = compare_trades(result, parts, history, quotes, silent)
    own = {one.what: one.explanation for one in found.differences if one.position_id == leg["position_id"]}
    assert {"closed at", "exit price", "profit"} <= own.keys()
    assert {own["closed at"], own["exit price"], own["profit"]} == {AFTER_SILENCE if explained else None}


def test_a_leg_that_is_left_at_the_last_close_is_still_open_in_the_replay(traded):
    result, history = traded
    leg = left_leg(result)
    opened = change(mirror(result).legs, leg["index"], closed_at=None, exit_price=None)
    until = dataclasses.replace(result, equity=result.equity.filter(pl.col("time") <= leg["closed_at"]))
    for cut, explained in ((until, True), (result, False)):
        found = compare_trades(cut, dataclasses.replace(mirror(result), legs=opened), history, quotes)
        own = [one.explanation for one in found.differences if one.what == "closed at"]
        assert own == [AT_NEXT_OPEN if explained else None]
