"""Every value in which a book's backtest and a replay of it differ is found and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import polars as pl
import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.timeline import HOUR
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.engine import BookRun, BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.panel import BookPanel
from training.books.plan import plan_book
from training.books.replay_differences import ReplayedBook, compare_book

FIRST = 2_183
FAMILY = BOOK_FAMILIES["trend_carry_book"]
INSTANT = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def world() -> tuple[BookRun, BookPanel]:
    market = make_market(11, hours=2_500)
    history, specs = FeatureHistory(make_panel(market, until=2_360)), make_specs(market)
    run = run_book(history, FAMILY, BookTerms(100_000.0, BookCosts(5.0, 0.0)), specs, first=FIRST)
    assert len(run.decisions) >= 7
    return run, history.panel


def mirror(run: BookRun, panel: BookPanel) -> ReplayedBook:
    """What a replay without any difference has."""
    closes = [panel.close_of(one.hour) for one in run.decisions]
    executions = []
    for size, price, fee, hour in (
        run.fills.filter(pl.col("at_open")).select("size_base", "price", "fee", "hour").iter_rows()
    ):
        opened = panel.close_of(hour - 1)
        executions.append((opened, size, price, fee))
    names = run.fills.filter(pl.col("at_open"))["name"]
    rows: dict[tuple[datetime, str, str], list[float]] = {}
    for (opened, size, price, fee), name in zip(executions, names, strict=True):
        known = rows.setdefault((opened, name, "buy" if size > 0 else "sell"), [0.0, 0.0, 0.0])
        known[0] += abs(size)
        known[1] += abs(size) * price
        known[2] += fee
    table = [
        (close, name, "rebalance", side, size, close, worth / size, fee)
        for (close, name, side), (size, worth, fee) in rows.items()
    ]
    equity = run.result.equity.filter(pl.col("time").is_in(closes)).select(
        close="time", decided="time", equity="equity", funding=pl.col("funding").diff().fill_null(pl.col("funding"))
    )
    held = [
        (panel.close_of(one.hour), name.name, str(name.held), str(name.wanted))
        for one in run.decisions
        for name in one.names
        if name.held or name.wanted
    ]
    columns = ["close", "name", "origin", "side", "size_base", "opened", "price", "fee"]
    return ReplayedBook(
        executions=pl.DataFrame(table, columns, orient="row"),
        names=pl.DataFrame(held, ["close", "name", "held", "contracts"], orient="row"),
        account=equity,
    )


def change(frame: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    at = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(at).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def test_equal_logs_have_no_difference(world):
    run, panel = world
    own = mirror(run, panel)
    found = compare_book(run, panel, own)
    assert found.differences == ()
    assert (found.decisions, found.executions) == (len(run.decisions), own.executions.height)
    assert found.values == len(run.decisions) * 4 + own.names.height * 2 + own.executions.height * 4


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("size_base", 1.0, "size"),
        ("opened", None, "opened"),
        ("price", 1.0, "price"),
        ("fee", 0.25, "fee"),
        ("fee", None, "fee"),
    ],
)
def test_a_changed_value_of_an_execution_is_found_and_named(world, column, value, what):
    run, panel = world
    own = mirror(run, panel)
    changed = replace(own, executions=change(own.executions, 3, **{column: value}))
    assert [(one.asset, one.what) for one in compare_book(run, panel, changed).unexplained] == [
        (own.executions["name"][3], what)
    ]


@pytest.mark.parametrize(("column", "what"), [("equity", "equity"), ("funding", "funding")])
def test_a_changed_account_is_found_to_the_tenth_digit(world, column, what):
    run, panel = world
    own = mirror(run, panel)
    value = own.account[column][2]
    near = replace(own, account=change(own.account, 2, **{column: value + 1e-6}))
    assert compare_book(run, panel, near).differences == ()
    far = replace(own, account=change(own.account, 2, **{column: value + 1e-3}))
    assert [one.what for one in compare_book(run, panel, far).unexplained] == [what]


def test_another_side_another_lot_and_a_stop_are_found(world):
    run, panel = world
    own = mirror(run, panel)
    turned = replace(own, executions=change(own.executions, 0, side="none"))
    assert [one.what for one in compare_book(run, panel, turned).unexplained] == ["executions", "executions"]
    stopped = replace(own, executions=change(own.executions, 0, origin="stop"))
    assert [one.what for one in compare_book(run, panel, stopped).unexplained] == ["executions", "executions"]
    wanted = str(Decimal(own.names["contracts"][0]) + 1)
    lots = replace(own, names=change(own.names, 0, contracts=wanted))
    found = compare_book(run, panel, lots).unexplained
    assert [(one.asset, one.what, one.replay) for one in found] == [(own.names["name"][0], "contracts wanted", wanted)]


def test_a_decision_that_nobody_made_is_explained_only_where_the_caller_says_so(world):
    run, panel = world
    close = panel.close_of(run.decisions[2].hour)
    history = FeatureHistory(panel)
    able = frozenset(panel.names)
    plan = plan_book(history, FAMILY, able, first=FIRST, costs=BookCosts(5.0, 0.0))
    specs = make_specs(make_market(11, hours=2_500))
    fewer = run_book(
        history,
        FAMILY,
        BookTerms(100_000.0, BookCosts(5.0, 0.0)),
        specs,
        first=FIRST,
        plan=[one for one in plan if panel.close_of(one.hour) != close],
    )
    own = mirror(fewer, panel)
    found = compare_book(fewer, panel, own, {close: "the venue was out"})
    assert found.unexplained == ()
    assert [(one.what, one.explanation) for one in found.differences] == [("decision", "the venue was out")]
    missing = compare_book(run, panel, own).unexplained
    assert missing[0].what == "decision"
    assert missing[0].position_id == f"{close:%Y-%m-%d %H:%M}"
    extra = compare_book(fewer, panel, mirror(run, panel)).unexplained
    assert extra[0][2:5] == ("decision", "none", "made")
    assert close + 24 * HOUR in {panel.close_of(one.hour) for one in fewer.decisions}


def test_fills_of_a_late_decision_are_moved_on_both_sides(world):
    """Decided two hours late: the same contracts, at prices of two hours later; without a reason it is a difference."""
    run, panel = world
    close = panel.close_of(run.decisions[1].hour)
    market = make_market(11, hours=2_500)
    terms = BookTerms(100_000.0, BookCosts(5.0, 0.0))
    moved = run_book(FeatureHistory(panel), FAMILY, terms, make_specs(market), first=FIRST, late={close: 2})
    assert [one.names for one in moved.decisions[:2]] == [one.names for one in run.decisions[:2]]
    hours = {
        hour: set(one.fills.filter(pl.col("hour").is_between(hour, hour + 20))["hour"])
        for hour, one in ((run.decisions[1].hour + 1, run), (moved.decisions[1].hour + 1, moved))
    }
    assert hours == {moved.decisions[1].hour + 1: {moved.decisions[1].hour + 3}}
    own = mirror(moved, panel)
    # The journal's executions belong to the decision that brought them about.
    own = replace(
        own,
        executions=own.executions.with_columns(
            close=pl.when(pl.col("close") == close + 2 * HOUR).then(close).otherwise(pl.col("close"))
        ),
        account=own.account.with_columns(
            decided=pl.when(pl.col("close") == close).then(close + 2 * HOUR).otherwise(pl.col("decided"))
        ),
    )
    found = compare_book(moved, panel, own, late={close: "out"})
    assert found.unexplained == ()
    assert [(one.what, one.explanation) for one in found.differences] == [("decided in the hour from", "out")]
    assert compare_book(moved, panel, own).unexplained[0].what == "decided in the hour from"
    assert any(one.what == "price" for one in compare_book(run, panel, own).unexplained)
