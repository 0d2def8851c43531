"""The watch between decisions: outages, doubts, full disks and rivals, and the states they lead to."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

import pytest
from polars.exceptions import PanicException

from pairity.errors import (
    JournalError,
    JournalWriteError,
    LakeCorruptError,
    OrderUnknownError,
    VenueUnreachableError,
)
from serving.error_states import choose_state
from serving.journal import Journal, TradingState
from serving.journal.event_records import Wish
from serving.watch import Watch
from tests.serving.full_disk import fill_up, make_room
from tests.serving.guarding import Guard, ask, look, states
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, entry, opened

TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED
POSITIONS = "privateGetAccountPositions"


def test_an_outage_guards_and_its_end_trades_again(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.faults = [("*", "reset_before")] * 12
    look(guard)
    assert guard.supervisor.state is GUARDING
    assert "venue" in guard.status.causes
    assert (guard.status.trading, guard.status.trading_reason[:6]) == ("guarding", "venue:")
    due = guard.watch.due()
    assert due is not None
    assert due - guard.parts.clock.now() <= timedelta(seconds=2)
    tiny.faults = []
    look(guard, 2)
    assert (guard.supervisor.state, guard.status.causes) == (TRADING, {})
    assert states(guard.desk.journal) == [TRADING, GUARDING, TRADING]
    assert len(guard.said.lines) == 2


@pytest.mark.parametrize(
    "fault",
    ["html", "garbage", *(pytest.param(name, marks=pytest.mark.slow) for name in ("busy_50004", "throttled", "cut"))],
)
def test_whatever_the_venue_answers_is_no_end(fault: str, guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.faults = [("*", fault)] * 200
    for _ in range(3):
        look(guard)
        assert guard.supervisor.state is GUARDING
    tiny.faults = []
    look(guard)
    assert guard.supervisor.state is TRADING
    assert (len(tiny.live_algos(BTC)), len(guard.desk.journal.open_positions())) == (1, 1)


def test_a_doubt_guards_until_the_second_fact_is_there(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.faults = [(POSITIONS, "no_rows")] * 500
    look(guard, 9)
    assert list(guard.status.causes) == ["doubt"]
    assert guard.supervisor.explain_refusal()
    tiny.faults = []
    look(guard)
    assert guard.supervisor.explain_refusal() is None


def test_a_suspended_contract_is_blocked_by_name_and_trades_again(guard: Guard, tiny: TinyOkx) -> None:
    tiny.states[BTC] = "suspend"
    look(guard)
    assert guard.status.blocked == {
        BTC: f"{BTC} does not trade: suspend (seen {guard.parts.clock.now():%Y-%m-%d %H:%M} UTC)"
    }
    assert guard.supervisor.state is TRADING
    tiny.states[BTC] = "live"
    look(guard, 300)
    assert guard.status.blocked == {}


def test_a_full_disk_guards_in_memory_and_is_written_down_later(guard: Guard, tiny: TinyOkx) -> None:
    """SQLite's own limit of pages stands in for a disk without space: the error is the same."""
    asyncio.run(opened(guard.desk))
    fill_up(guard.desk.journal)
    tiny.faults = [("*", "html")] * 50
    look(guard)
    tiny.faults = []
    for _ in range(3):
        look(guard)
    assert guard.supervisor.state is GUARDING
    assert "full" in guard.status.causes["journal"]
    assert guard.supervisor.explain_refusal()
    make_room(guard.desk.journal)
    look(guard)
    assert (guard.supervisor.state, guard.status.causes) == (TRADING, {})
    assert states(guard.desk.journal)[-2:] == [GUARDING, TRADING]


def test_another_process_on_the_account_stops_entries(guard: Guard, tiny: TinyOkx) -> None:
    from serving.journal import Purpose, client_order_id

    name = client_order_id("another", "p", 0, Purpose.PROTECT)
    tiny._new_algo(BTC, "sell", "1", name, {"slTriggerPx": "1", "tpTriggerPx": "2"})
    look(guard)
    assert name in guard.status.causes["second process"]
    assert len(tiny.live_algos(BTC)) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (JournalError("disagrees"), HALTED),
        (JournalWriteError("full"), GUARDING),
        (VenueUnreachableError("gone"), GUARDING),
        (LakeCorruptError("torn"), GUARDING),
        (OSError(28, "No space left on device"), GUARDING),
        (sqlite3.OperationalError("database is locked"), GUARDING),
        (ZeroDivisionError("a mistake"), GUARDING),
        (PanicException("a torn file"), GUARDING),
    ],
)
def test_no_error_ends_the_process(error: BaseException, state: TradingState, guard: Guard) -> None:
    assert choose_state(error) is state
    with guard.supervisor.covering("anything"):
        raise error
    assert guard.supervisor.state is state


def test_a_stepped_clock_is_stepped_for_a_watch_only_while_guarding(guard: Guard) -> None:
    from dataclasses import replace

    from venue.clock import SteppedClock

    stepped = replace(guard.parts, clock=SteppedClock("http://127.0.0.1:1/control", T0))
    watch = Watch(stepped)
    assert watch.due() is None
    guard.supervisor.guard("venue", "gone")
    assert watch.due() == T0 + timedelta(seconds=15)


def test_a_journal_that_disagrees_halts_and_protects(guard: Guard, tiny: TinyOkx) -> None:
    """An order of ours is on the other side there: somebody else uses our ids."""
    asyncio.run(opened(guard.desk))
    tiny.faults = [("privatePostTradeOrder", "timeout"), *[("privateGetTradeOrder", "html")] * 500]
    other = entry(asset="ETH", reference=2000.0)
    with pytest.raises(OrderUnknownError):
        asyncio.run(guard.desk.executor.open(other, guard.desk.decide(other, at=T0 + timedelta(hours=1))))
    tiny.faults = []
    tiny.orders[-1]["side"] = "buy"
    tiny.algos[0]["state"] = "canceled"
    look(guard)
    assert guard.supervisor.state is HALTED
    assert "disagree" in guard.status.trading_reason
    assert len(tiny.live_algos(BTC)) == 1


def test_a_failure_in_the_watch_for_rivals_ends_nothing(guard: Guard, tiny: TinyOkx) -> None:
    """Whose a finished order is, the journal says, and a damaged one raises at the first look too."""
    from serving.journal import Purpose, client_order_id

    tiny._execute(tiny._new_order(BTC, "buy", "1", client_order_id("b", "p", 0, Purpose.ENTRY), reduce_only=False), 1)
    rename(guard.desk.journal, "intents", "gone")
    look(guard)
    assert guard.supervisor.state is HALTED
    rename(guard.desk.journal, "gone", "intents")
    look(guard)
    assert "second process" in guard.status.causes
    ask(guard, Wish.RESUME)
    look(guard)
    assert (guard.supervisor.state, guard.status.causes) == (TRADING, {})


def rename(journal: Journal, name: str, other: str) -> None:
    with journal._begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {other}")
