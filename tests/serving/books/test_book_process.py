"""A book through the trading process on a paper exchange: the backtest's holdings and equity, whatever happens."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

import pytest

from pairity.timeline import from_ms
from pairity.universe import inst_id
from serving.journal import Journal
from tests.serving.books.book_scene import DAY, FIRST, MARKET, backtest, book_scene


def test_three_days_hold_and_earn_what_the_backtest_does(tmp_path):
    with book_scene(tmp_path / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}) as scene:
        report = scene.trade(3)
        assert report.problems == []
        assert report.actions["rebalance"] == 3
        check_equal_to_backtest(scene, 3)


def check_equal_to_backtest(scene, days, **changes):
    last = FIRST + (days - 1) * DAY
    run = backtest(last, **changes)
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
        steps = [f"{step.name}: {step.why}" for step in decision.plan.steps]
        assert [*book.steps] == [*steps, *([decision.margin] if decision.margin else [])]
    wanted = {inst_id(one.name): one.wanted for one in run.decisions[days - 1].names if one.wanted}
    assert held == wanted
    assert {inst_id(name): size for name, size in scene.list_held().items()} == held
    fees = run.fills.filter(run.fills["at_open"])["fee"].sum()
    assert -float(sum((fill.fee_usdt for fill in fills), Decimal(0))) == pytest.approx(fees, abs=1e-6)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kill_at", [61, *(pytest.param(at, marks=pytest.mark.slow) for at in (40, -47, -70, 90, 150))])
def test_a_process_that_is_killed_and_comes_back_does_what_one_does_that_was_not(tmp_path, kill_at):
    """Whatever commit of the journal it dies at: nothing is sent twice, nothing forgotten."""
    with book_scene(tmp_path / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}) as scene:
        with pytest.raises(Killed):
            scene.trade(2, open_journal=partial(open_mortal, kill_at))
        scene.trade(count_ahead(scene, 2))
        check_equal_to_backtest(scene, 2)


class MortalJournal(Journal):
    """A journal that ends its process at one of its commits: right after it, or with a minus sign before."""

    kill_at = 0
    commits = 0

    @contextmanager
    def _begin(self):
        with super()._begin() as connection:
            yield connection
            if self.kill_at < 0:
                self._count()
        if self.kill_at > 0:
            self._count()

    def _count(self):
        self.commits += 1
        if self.commits == abs(self.kill_at):
            raise Killed


def open_mortal(kill_at, path):
    journal = MortalJournal.open(path, durable=False)
    journal.kill_at = kill_at
    return journal


def count_ahead(scene, days):
    """Return how many of the closes of so many days are still to come on the exchange."""
    return days - (from_ms(scene.account.now_ms) - FIRST) // DAY - 1


def test_an_order_that_is_refused_is_sent_again_and_what_waited_for_it_follows(tmp_path):
    """A refused reduction guards for some seconds: increases wait for it, and are made before the day is over."""
    with book_scene(tmp_path / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}) as scene:
        scene.trade(1)
        scene.inject("code", "POST trade/order", 1, code="51028", msg="not now", http_status=200)
        scene.trade(2)
        check_equal_to_backtest(scene, 3)


def test_old_vectors_of_a_book_move_to_the_archive_and_are_found_there(tmp_path):
    daily = {"port": 0, "lease": False, "interval_minutes": 1440}
    with book_scene(tmp_path / "home", serve=daily, retention={"feature_vectors_days": 1}) as scene:
        scene.trade(3)
        journal = scene.read()
        try:
            sizes = [len(journal.vectors(book.decision_id)) for book in journal.books.all()]
        finally:
            journal.close()
        with sqlite3.connect(scene.journal_path) as connection:
            stay = connection.execute("SELECT count(DISTINCT decision_id) FROM feature_vectors").fetchone()[0]
        connection.close()
    assert sizes == [2 * len(MARKET["close"])] * 3
    assert stay < 3
