"""Events: what happens becomes one, once, whatever is killed, and trading fails with none."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.errors import JournalError, OrderUnknownError
from pairity.redaction import MASK, learn_secrets
from serving.alerts import events as events_module
from serving.alerts.events import Events
from serving.journal import EquityMark, Journal, PositionClose, TradingState
from serving.journal.event_records import Severity
from tests.serving.full_disk import fill_up, make_room
from tests.serving.guarding import Guard, look
from tests.serving.journal.version_1 import write_version_1
from tests.serving.tiny_okx import TinyOkx, refuse
from tests.serving.trading import BTC, T0, entry, opened

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


def listed(journal: Journal, kind: str | None = None) -> list[tuple[str, Severity, str]]:
    return [(event.kind, event.severity, event.text) for event in reversed(journal.event_log.page(kind=kind))]


def test_a_position_that_is_opened_and_stopped_out_is_two_events(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    look(guard)
    tiny.move(BTC, Decimal(90_000))
    look(guard)
    (said,) = listed(guard.desk.journal, "position.opened")
    assert said[1] is INFO
    assert BTC in said[2]
    (ended,) = listed(guard.desk.journal, "position.closed")
    assert "stop_loss" in ended[2]
    assert "USDT after fees and funding" in ended[2]
    look(guard)
    assert len(listed(guard.desk.journal, "position.closed")) == 1


def test_what_somebody_else_closed_is_a_warning(guard: Guard, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(guard.desk))
    look(guard)
    tiny.trade_by_hand(BTC, "buy", position.legs[0].contracts)
    look(guard)
    ((_, severity, text),) = listed(guard.desk.journal, "position.closed")
    assert (severity, "manual" in text) == (WARNING, True)
    assert any("closed from outside" in text for _, _, text in listed(guard.desk.journal, "reconciliation"))


def test_states_are_events_with_their_severity(guard: Guard, tiny: TinyOkx) -> None:
    tiny.faults = [("*", "html")] * 9
    look(guard)
    tiny.faults = []
    for _ in range(3):
        look(guard, 60)
    guard.supervisor.halt("a limit of risk")
    look(guard)
    said = [(severity, text.partition(":")[0]) for _, severity, text in listed(guard.desk.journal, "state")]
    assert said == [(INFO, "the process started"), (WARNING, "guarding"), (INFO, "trading"), (CRITICAL, "halted")]


def test_a_cause_that_comes_up_in_a_halt_is_an_event(guard: Guard, tiny: TinyOkx) -> None:
    guard.supervisor.halt("a limit of risk")
    tiny.faults = [("*", "html")] * 9
    look(guard)
    look(guard)
    assert len(listed(guard.desk.journal, "cause")) == 1


def test_an_order_that_is_refused_or_of_unknown_outcome_is_an_event(guard: Guard, tiny: TinyOkx) -> None:
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    wanted = entry()
    asyncio.run(guard.desk.executor.open(wanted, guard.desk.decide(wanted)))
    tiny._privatePostTradeOrder = real  # type: ignore[method-assign]
    tiny.faults = [("privatePostTradeOrder", "timeout"), *[("privateGetTradeOrder", "html")] * 500]
    other = entry(asset="ETH", reference=2000.0)
    with pytest.raises(OrderUnknownError):
        asyncio.run(guard.desk.executor.open(other, guard.desk.decide(other, at=T0 + timedelta(hours=1))))
    tiny.faults = []
    look(guard)
    texts = [text for _, severity, text in listed(guard.desk.journal, "order") if severity is WARNING]
    assert any("was refused" in text and BTC in text for text in texts)
    assert any("unknown outcome" in text for text in texts)


def test_what_the_journal_knows_is_an_event_even_if_the_process_dies_before_it(guard: Guard) -> None:
    asyncio.run(opened(guard.desk))
    guard.supervisor.halt("a limit of risk")
    again = guard.restarted()  # nothing was flushed since
    kinds = [kind for kind, _, _ in listed(again.desk.journal)]
    assert kinds.count("position.opened") == 1
    assert any(severity is CRITICAL for _, severity, _ in listed(again.desk.journal, "state"))
    for _ in range(3):
        again.events._derived._marks = None  # as if every process died right after writing
        again.events.flush()
    assert [kind for kind, _, _ in listed(again.desk.journal)].count("position.opened") == 1
    again.desk.journal.close()


def test_a_journal_older_than_events_begins_with_what_changes_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    write_version_1(path)
    journal = Journal.open(path)
    (held,) = journal.open_positions()
    events = Events(journal, lambda: T0)
    events.flush()
    assert listed(journal) == []
    journal.close_position(held.position.position_id, PositionClose(T0, "z_cross"))
    events.flush()
    assert [kind for kind, _, _ in listed(journal)] == ["position.closed"]
    journal.close()
    reader = Journal.read(path)
    assert reader.event_log.newest_id() == len(reader.event_log.page())
    reader.close()


def test_a_reader_of_an_older_journal_finds_no_events(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    write_version_1(path)
    reader = Journal.read(path)
    log, requests = reader.event_log, reader.requests
    assert (log.page(), log.after(0), log.newest_id(), log.count_unacknowledged()) == ([], [], 0, {})
    assert (requests.all(), requests.standing_guard(), requests.positions_to_close()) == ([], None, [])
    reader.close()


def test_events_that_the_journal_does_not_take_wait_within_a_bound(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "MOST_PENDING", 5)
    fill_up(guard.desk.journal)
    for number in range(12):
        guard.events.record("test", WARNING, f"number {number}")
        guard.events.flush()
    assert guard.supervisor.state is TradingState.TRADING
    assert guard.events.failure is not None
    make_room(guard.desk.journal)
    guard.events.flush()
    assert [text for _, _, text in listed(guard.desk.journal, "test")] == [f"number {n}" for n in range(5)]
    assert "7 events could not be written down" in listed(guard.desk.journal, "lost")[0][2]


def test_a_damaged_event_table_never_touches_trading(guard: Guard, tiny: TinyOkx) -> None:
    with guard.desk.journal._begin() as connection:
        connection.exec_driver_sql("DROP TABLE events")
    asyncio.run(opened(guard.desk))
    look(guard)
    assert guard.supervisor.state is TradingState.TRADING
    assert guard.events.failure is not None
    assert len(tiny.live_algos(BTC)) == 1


def test_problems_are_told_when_they_come_up_and_again_when_they_come_back(guard: Guard) -> None:
    for texts in (["a", "b"], ["a"], ["a", "c"], ["b"]):
        guard.events.record_new("data", WARNING, texts)
    guard.events.record_new("problem", WARNING, ["b", "d"])
    guard.events.flush()
    assert [(kind, text) for kind, _, text in listed(guard.desk.journal) if kind in ("data", "problem")] == [
        ("data", "a"),
        ("data", "b"),
        ("data", "c"),
        ("data", "b"),
        ("problem", "d"),
    ]


def test_a_problem_that_counts_is_one_event(guard: Guard) -> None:
    for seconds in range(20):
        guard.events.record_new("reconciliation", WARNING, [f"silent for {seconds} s", f"order {seconds}a is late"])
    guard.events.flush()
    assert len(listed(guard.desk.journal, "reconciliation")) == 2


def test_a_second_writer_in_a_thread_never_makes_the_journal_fail(guard: Guard) -> None:
    """The journal's own transactions read and write at the same time as those of the alerts' thread."""
    journal, failures, done = guard.desk.journal, [], threading.Event()

    def hammer() -> None:
        try:
            while not done.is_set():
                guard.events.record("test", INFO, "x")
                guard.events.flush()
                journal.deliveries.plan([], {"destination:x": "{}"})
        except JournalError as error:
            failures.append(error)

    thread = threading.Thread(target=hammer)
    thread.start()
    position = asyncio.run(opened(guard.desk))
    for second in range(60):
        journal.equity.record(EquityMark(T0 + timedelta(seconds=second), Decimal(1), Decimal(0), Decimal(1)))
        journal.save_position(position)
    done.set()
    thread.join()
    assert failures == []
    assert guard.events.failure is None


def test_no_event_holds_a_known_secret(guard: Guard) -> None:
    learn_secrets(["a-secret-of-the-events"])
    guard.events.record("test", WARNING, "the venue answered a-secret-of-the-events")
    guard.supervisor.guard("venue", "it said a-secret-of-the-events\n\x1b[2J")
    look(guard)
    texts = [text for _, _, text in listed(guard.desk.journal)]
    assert any(MASK in text for text in texts)
    assert not any("a-secret-of-the-events" in text or "\n" in text or "\x1b" in text for text in texts)


def test_events_are_recorded_from_many_threads_and_each_is_written_once(guard: Guard) -> None:
    def work(place: int) -> None:
        for number in range(25):
            guard.events.record("test", INFO, f"{place} {number}")
            guard.events.flush()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    guard.events.flush()
    texts = [event.text for event in guard.desk.journal.event_log.page(kind="test", limit=500)]
    assert len(texts) == len(set(texts)) == 100


def test_pages_of_events(guard: Guard) -> None:
    for number in range(7):
        guard.events.record("test", WARNING if number % 2 else INFO, str(number))
    guard.events.flush()
    log = guard.desk.journal.event_log
    newest = log.page(limit=3, kind="test")
    assert [event.text for event in newest] == ["6", "5", "4"]
    assert [event.text for event in log.page(kind="test", before=newest[-1].event_id)] == ["3", "2", "1", "0"]
    assert [event.text for event in log.page(kind="test", severity=WARNING)] == ["5", "3", "1"]
    assert log.acknowledge([newest[0].event_id, 10**6], T0, "page") == 1
    assert log.acknowledge([newest[0].event_id], T0, "command") == 0
    assert log.page(acknowledged=True)[0].acknowledged_by == "page"
