"""A book through the trading process on a paper exchange: the backtest's holdings and equity, whatever happens."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.timeline import HOUR
from pairity.universe import inst_id
from tests.serving.books.book_scene import FIRST, backtest, book_scene, read_stored

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def stored(monkeypatch):
    monkeypatch.setattr("serving.books.market.load_market", read_stored)


def test_three_days_hold_and_earn_what_the_backtest_does(tmp_path):
    with book_scene(tmp_path / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}) as scene:
        report = scene.trade(3)
        assert report.problems == []
        assert report.actions["rebalance"] == 3
        check_equal_to_backtest(scene, 3)


def check_equal_to_backtest(scene, days):
    last = FIRST + (days - 1) * DAY
    run = backtest(last)
    equity = dict(run.result.equity.select("time", "equity").iter_rows())
    journal = scene.read()
    try:
        books, fills, held = journal.books.all(), journal.fills(), journal.books.count_held()
    finally:
        journal.close()
    assert [book.close for book in books] == [FIRST + day * DAY for day in range(days)]
    for book, decision in zip(books, run.decisions, strict=False):
        ours = {one.name: one.contracts for one in book.names if one.contracts}
        assert ours == {one.name: one.wanted for one in decision.names if one.wanted}
        assert book.equity_usdt == pytest.approx(equity[book.close], abs=1e-6)
    wanted = {inst_id(one.name): one.wanted for one in run.decisions[days - 1].names if one.wanted}
    assert held == wanted
    assert {inst_id(name): size for name, size in scene.list_held().items()} == held
    fees = run.fills.filter(run.fills["at_open"])["fee"].sum()
    assert -float(sum((fill.fee_usdt for fill in fills), Decimal(0))) == pytest.approx(fees, abs=1e-6)
    assert HOUR
