"""What a decision asks of the journal does not depend on how many decisions, orders and positions lie behind it."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import event

from pairity.strategy.codec import decision_to_json, state_after_decision
from pairity.strategy.types import Leg, PairPosition, Side, StrategyState
from pairity.timeline import HOUR
from pairity.universe import Pair
from serving.journal import Fill, Journal, Purpose, decision_id
from tests.serving.journal.version_1 import write_version_1
from tests.serving.trading import T0, decision_of, entry

TICK = timedelta(microseconds=1)
LEG = Leg("BTC", Side.BUY, Decimal(1), 1.0, 0.9, 1.1)
HELD = PairPosition("p1", Pair("BTC", "ETH"), 1, (LEG,), T0, -1.5, 1.0, -1.5)


def plans_of(journal: Journal, statements: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """SQLite's plan of each statement: (step, statement)."""
    with contextlib.closing(sqlite3.connect(journal.path)) as connection:
        return [
            (step, statement)
            for statement, parameters in statements
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_no_query_of_a_cycle_goes_through_the_history(journal):
    journal.save_position(HELD)
    seen: list[tuple[str, Any]] = []

    @event.listens_for(journal._database, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    record = decision_of(at=T0 + HOUR)
    journal.decision(record.decision_id)
    journal.restore_state(10_000.0)
    journal.record_decision(replace(record, decision=replace(record.decision, state=StrategyState(1.0, (HELD,)))), [])
    journal.open_positions()
    journal.position(HELD.position_id)
    journal.unsettled()
    journal.filled_entries_without_position()
    journal.intents(HELD.position_id)
    journal.intents(HELD.position_id, 0, Purpose.ENTRY)
    journal.fills(HELD.position_id)
    event.remove(journal._database, "before_cursor_execute", note)

    assert len(seen) >= 10
    scans = [(step, statement) for step, statement in plans_of(journal, seen) if step.startswith("SCAN")]
    # In the order of an index, and only the first row of it.
    newest = [statement for step, statement in scans if "USING INDEX ix_decisions_event_timestamp" in step]
    assert [statement for _, statement in scans] == newest
    assert all("LIMIT" in statement for statement in newest)


def test_the_state_alone_is_that_of_the_last_decision(journal):
    assert journal.last_state() is None
    for hour in (2, 1):
        record = decision_of(entry(), at=T0 + hour * HOUR)
        state = StrategyState(0.1 + 0.2, bars_since_exit=hour, correlations={"BTC__ETH": -0.0, "BTC__SOL": None})
        journal.record_decision(replace(record, decision=replace(record.decision, state=state)), [])
    last = journal.last_decision()
    assert last is not None
    assert journal.last_state() == (last.decision_time, last.decision.state)
    assert state_after_decision(decision_to_json(last.decision)) == last.decision.state
    assert last.decision.state.bars_since_exit == 2


def test_the_decision_at_an_instant_is_the_newest_of_a_bar_that_had_closed(journal):
    assert journal.first_bar() is None
    assert journal.decision_at(T0) is None
    for hour in (3, 0, 1):
        journal.record_decision(decision_of(at=T0 + hour * HOUR), [])
    assert journal.first_bar() == T0
    for instant, hour in ((T0, 0), (T0 + HOUR - TICK, 0), (T0 + HOUR, 1), (T0 + 2 * HOUR, 1), (T0 + 9 * HOUR, 3)):
        assert journal.decision_at(instant).decision_id == decision_id("test", T0 + hour * HOUR)
    assert journal.decision_at(T0 - TICK) is None


def test_an_execution_is_known_by_its_order(journal):
    fill = Fill(
        instrument="BTC-USDT-SWAP",
        trade_id="1",
        order_id="o1",
        position_id="p1",
        client_order_id="pairitye1",
        side=Side.BUY,
        contracts=Decimal(1),
        price=Decimal(80_000),
        fee_usdt=Decimal(-1),
        pnl_usdt=Decimal(0),
        at=T0,
    )
    journal.record_fills([fill])
    assert journal.has_fill_of("o1")
    assert not journal.has_fill_of("o2")


def test_a_writer_adds_the_indices_that_an_older_journal_lacks(tmp_path: Path):
    def indices(path: Path) -> set[str]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}

    Journal.open(tmp_path / "new.db").close()
    old = tmp_path / "old.db"
    write_version_1(old)
    lacking = indices(tmp_path / "new.db") - indices(old)
    assert "ix_intents_filled" in lacking
    for _ in range(2):
        Journal.open(old).close()
        assert indices(old) == indices(tmp_path / "new.db")
