"""A book whose account the venue liquidates: it is booked, and the next decision is made of what is left."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.universe import inst_id
from serving.journal.event_records import Severity
from tests.serving.books.book_scene import DAY, FIRST, book_scene

OPTIONS = {"port": 0, "lease": False, "interval_minutes": 1440}


@pytest.mark.parametrize(
    ("share", "decisions", "state"),
    [pytest.param("0.003", 2, "trading", marks=pytest.mark.slow), ("0.0005", 1, "halted")],
)
def test_a_liquidated_book_is_booked_and_goes_on_with_what_is_left(tmp_path, share, decisions, state):
    """Money is taken out from under a book: `share` of what it holds does not cover the maintenance margin."""
    with book_scene(tmp_path / "home", serve=OPTIONS, strategy={"book": "trend_carry_book", "leverage": 3}) as scene:
        scene.trade(1)
        before = scene.list_held()
        assert before
        own = scene.account
        gross = sum(abs(one.size) * one.ct_val * own.mark(one.inst_id) for one in own.positions.values())
        own.ledger.cash += gross * Decimal(share) - own.cross_equity()
        scene.advance(FIRST + DAY - timedelta(minutes=1))
        assert scene.list_held() == {}
        left = own.cross_equity()
        report = scene.trade(1)
        journal = scene.read()
        try:
            held, books, last = journal.books.count_held(), journal.books.all(), journal.states.newest()
            told = [event.text for event in journal.event_log.after(0) if event.severity is Severity.CRITICAL]
            forced = {fill.position_id for fill in journal.fills() if not fill.client_order_id}
        finally:
            journal.close()
        assert held == {inst_id(name): size for name, size in scene.list_held().items()}
        assert forced == {f"{name}@liquidated" for name in before}
        said = [problem for problem in report.problems if "liquidated by the venue" in problem]
        assert len(said) == len(before)
        assert set(said) <= set(told)
        assert len(books) == decisions
        assert last.state.value == state
        if decisions == 2:
            assert books[-1].equity_usdt == pytest.approx(float(left), abs=1e-6)
            assert all(one.held == 0 for one in books[-1].names)
        else:
            assert "equity" in last.reason
