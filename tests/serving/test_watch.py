"""The watch between decisions, the states it leads to, and what a person asks of the process."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from polars.exceptions import PanicException

from pairity.errors import (
    JournalError,
    JournalWriteError,
    LakeCorruptError,
    OrderUnknownError,
    VenueUnreachableError,
)
from pairity.layout import Layout
from pairity.strategy.types import Exit, ExitReason
from serving.control.queue import Request, RequestQueue
from serving.error_states import choose_state
from serving.journal import Journal, TradingState
from serving.journal.event_records import Wish
from serving.watch import Watch
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import Refused, TinyOkx
from tests.serving.trading import BTC, T0, entry, opened

TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED
POSITIONS = "privateGetAccountPositions"
FILLS = "privateGetTradeFillsHistory"


@pytest.fixture
def guard(tiny: TinyOkx, tmp_path: Path) -> Iterator[Guard]:
    made = [Guard(tiny, tmp_path)]
    tmp_path.chmod(0o700)
    yield made[0]
    made[0].desk.journal.close()


def look(guard: Guard, seconds: float = 15) -> None:
    guard.tiny.now_ms += int(seconds * 1000)
    asyncio.run(guard.watch.look())


def ask(guard: Guard, wish: Wish) -> None:
    RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=T0, reason="a test"))


def states(journal: Journal) -> list[TradingState]:
    return [record.state for record in journal.states.all()]


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


def test_a_lost_stop_is_back_at_the_next_look(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.algos[0]["state"] = "canceled"
    look(guard)
    assert len(tiny.live_algos(BTC)) == 1
    assert guard.supervisor.state is TRADING


def test_a_suspended_contract_is_blocked_by_name_and_trades_again(guard: Guard, tiny: TinyOkx) -> None:
    tiny.states[BTC] = "suspend"
    look(guard)
    assert guard.status.blocked == {
        BTC: f"{BTC} does not trade: suspend (seen {guard.parts.clock.now():%Y-%m-%d %H:%M})"
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


def fill_up(journal: Journal) -> None:
    with journal._begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with contextlib.suppress(JournalWriteError):
        for _ in range(2000):
            journal.states.record(_filler())
    with pytest.raises(JournalWriteError, match="full"):
        journal.states.record(_filler())


def make_room(journal: Journal) -> None:
    with journal._begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


def _filler():  # type: ignore[no-untyped-def]
    from serving.journal import StateRecord

    return StateRecord(T0, TRADING, "x" * 500)


def test_a_halt_stays_over_a_restart_and_only_a_person_lifts_it(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    ask(guard, Wish.HALT)
    look(guard)
    assert (guard.supervisor.state, guard.supervisor.flattens) == (HALTED, False)
    tiny.faults = [("*", "html")] * 9
    look(guard)
    tiny.faults = []
    tiny.algos[0]["state"] = "canceled"
    look(guard)
    assert guard.supervisor.state is HALTED
    assert len(tiny.live_algos(BTC)) == 1, "protection goes on"
    again = guard.restarted()
    assert again.supervisor.state is HALTED
    assert "a test" in again.status.trading_reason
    ask(again, Wish.RESUME)
    look(again)
    assert again.supervisor.state is TRADING
    assert [record.by for record in again.desk.journal.states.all()][-2:] == ["person", "person"]
    again.desk.journal.close()


def test_a_request_waits_for_a_process_that_is_down(guard: Guard, tiny: TinyOkx) -> None:
    guard.desk.journal.close()
    ask(guard, Wish.HALT)
    again = Guard(tiny, guard.home)
    look(again, 0)
    assert again.supervisor.state is HALTED
    again.desk.journal.close()


def test_flatten_closes_what_is_ours_and_halts(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.trade_by_hand("ETH-USDT-SWAP", "buy", guard.desk.executor.contracts["ETH"].min_sz)
    ask(guard, Wish.FLATTEN)
    look(guard)
    assert guard.supervisor.flattens
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert closed.close.exit_reason == "flatten"
    assert (tiny.size(BTC), tiny.live_algos(BTC)) == (0, [])
    assert tiny.size("ETH-USDT-SWAP") > 0


def test_a_request_that_nobody_can_read_guards(guard: Guard) -> None:
    path = Layout(guard.home).request
    path.write_text("halt!")
    path.chmod(0o600)
    look(guard)
    assert list(guard.status.causes) == ["request"]


def test_requests_are_carried_out_in_order_and_once(guard: Guard) -> None:
    ask(guard, Wish.RESUME)
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    look(guard)
    assert states(guard.desk.journal) == [TRADING, HALTED]
    assert RequestQueue(Layout(guard.home)).list_waiting() == []


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


def test_a_lost_stop_is_back_while_executions_cannot_be_read(guard: Guard, tiny: TinyOkx) -> None:
    """And while the list of positions is empty: a stop only reduces, so placing it needs no second fact."""
    asyncio.run(opened(guard.desk))
    tiny.algos[0]["state"] = "canceled"
    tiny.faults = [(POSITIONS, "no_rows"), *[("privateGetTradeFillsHistory", "html")] * 20]
    look(guard)
    assert guard.supervisor.state is GUARDING
    assert len(tiny.live_algos(BTC)) == 1


def test_refused_stops_and_exits_are_spaced(guard: Guard, tiny: TinyOkx) -> None:
    """A suspended contract whose stop went: the venue takes neither a stop nor an exit, for an hour."""
    asyncio.run(opened(guard.desk))
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    tiny.algos[0]["state"], tiny.refuse_algos = "canceled", "51280"
    for _ in range(30):
        look(guard, 120)
        assert "exits" in guard.status.causes
    assert guard.status.causes["limits"].startswith("limits.rejects_per_hour: ")
    sent = len(tiny.sent("privatePostTradeOrder")) + len(tiny.sent("privatePostTradeOrderAlgo"))
    assert sent < 80, sent
    tiny._privatePostTradeOrder, tiny.refuse_algos = real, None  # type: ignore[method-assign]
    look(guard, 900)
    assert list(guard.status.causes) == ["limits"]
    look(guard, 3600)
    assert guard.supervisor.state is TRADING
    assert bool(tiny.live_algos(BTC)) == bool(guard.desk.journal.open_positions())


def test_a_contract_that_trades_again_has_its_stop_within_a_minute(guard: Guard, tiny: TinyOkx) -> None:
    """It did not trade for an hour, and the stop went: by then the tries are fifteen minutes apart."""
    asyncio.run(opened(guard.desk))
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    tiny.algos[0]["state"], tiny.refuse_algos, tiny.states[BTC] = "canceled", "51280", "suspend"
    for _ in range(60):
        look(guard, 60)
    assert ("exits" in guard.status.causes, list(guard.status.blocked)) == (True, [BTC])
    tiny._privatePostTradeOrder, tiny.refuse_algos, tiny.states[BTC] = real, None, "live"  # type: ignore[method-assign]
    for _ in range(4):
        look(guard, 15)
    assert list(guard.status.causes) == ["limits"]  # of refusals in an hour
    assert bool(tiny.live_algos(BTC)) == bool(guard.desk.journal.open_positions())


def refuse(_params: object) -> list[dict[str, str]]:
    raise Refused("51028", "Contract under delivery.")


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


@pytest.mark.parametrize("factor", [10, Decimal("0.1")])
def test_a_contract_of_another_value_is_taken_over_with_its_position(
    factor: Decimal, guard: Guard, tiny: TinyOkx
) -> None:
    """The venue keeps the coins, changes the contracts and withdraws the stops; then a stop closes all of it."""
    asyncio.run(opened(guard.desk, entry(contracts="10")))
    look(guard)
    tiny.values[BTC] = Decimal("0.01") / factor
    tiny.positions[BTC][0] *= factor
    tiny.algos[0]["state"] = "canceled"
    for _ in range(2):
        look(guard)
    (record,) = guard.desk.journal.open_positions()
    assert record.position.legs[0].contracts == 10 * factor
    assert guard.parts.contracts["BTC"].ct_val == Decimal("0.01") / factor
    assert guard.supervisor.state is TRADING
    assert guard.status.blocked == {}
    look(guard)
    assert max(Decimal(stop["sz"]) for stop in tiny.live_algos(BTC)) >= 10 * factor
    tiny.trade_by_hand(BTC, "buy", 10 * factor)
    look(guard)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert closed.close.exit_reason == "manual"
    assert tiny.live_algos(BTC) == []


def test_a_lost_stop_is_back_before_an_order_in_doubt_is_settled(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.faults = [("privatePostTradeOrder", "timeout"), *[("privateGetTradeOrder", "html")] * 5000]
    other = entry(asset="ETH", reference=2000.0)
    with pytest.raises(OrderUnknownError):
        asyncio.run(guard.desk.executor.open(other, guard.desk.decide(other, at=T0 + timedelta(hours=1))))
    tiny.algos[0]["state"] = "canceled"
    begun = guard.desk.pace.monotonic()
    placed_at: list[float] = []
    real = tiny._privatePostTradeOrderAlgo

    def place(params: object) -> list[dict[str, str]]:
        placed_at.append(guard.desk.pace.monotonic() - begun)
        return real(params)

    tiny._privatePostTradeOrderAlgo = place  # type: ignore[method-assign]
    look(guard)
    assert placed_at[0] < 5
    assert guard.desk.pace.monotonic() - begun > 30
    assert len(tiny.live_algos(BTC)) == 1
    assert list(guard.status.causes) == ["orders"]


def test_a_position_has_its_result_once_executions_can_be_read(guard: Guard, tiny: TinyOkx) -> None:
    """The exit went through, and then the venue's list of executions could not be read for a while."""
    position = asyncio.run(opened(guard.desk))
    exit_ = Exit(position.position_id, ExitReason.Z_CROSS)
    record = guard.desk.decide(exits=(exit_,), at=T0 + timedelta(hours=1))
    tiny.faults = [(FILLS, "html")] * 12
    asyncio.run(guard.desk.executor.close(position, "z_cross", record.decision_id))
    assert tiny.size(BTC) == 0
    for _ in range(6):
        look(guard, 900)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert (closed.close.exit_reason, closed.close.net_usdt is None) == ("z_cross", False)
    assert guard.supervisor.state is TRADING
    assert tiny.live_algos(BTC) == []


def test_a_stop_whose_executions_come_late_has_its_result_with_them(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.move(BTC, Decimal(90_000))
    late, tiny.fills[:] = tiny.fills[-1], tiny.fills[:-1]
    for _ in range(3):
        look(guard)
    tiny.fills.append(late)
    look(guard, 900)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert (closed.close.exit_reason, closed.close.net_usdt is None) == ("stop_loss", False)
    look(guard)
    assert guard.supervisor.state is TRADING


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
