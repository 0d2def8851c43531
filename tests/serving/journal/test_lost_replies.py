"""A write whose reply was lost is made again, and is in the journal once; for PostgreSQL: tests/cluster."""

from __future__ import annotations

import pytest

from serving.alerts import events as events_module
from serving.alerts.events import Events
from serving.journal import Journal, StateRecord, TradingState
from serving.journal.event_records import NewEvent, Severity
from serving.status import Status
from serving.supervisor import START, Supervisor
from tests.serving.full_disk import fill_up, make_room
from tests.serving.journal.lost_replies import replies_lost
from tests.serving.trading import T0

WARNING = Severity.WARNING
TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED


class Said(list[str]):
    """What persons hear, and a clock that stands still: rows of one instant are the hard case."""

    def now(self):
        return T0


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def supervisor(journal: Journal, said: Said) -> Supervisor:
    return Supervisor(journal, Status("demo", "here", {}), said.now, said.append)


def states(journal: Journal) -> list[tuple[TradingState, str]]:
    return [(record.state, record.reason) for record in journal.states.all() if len(record.reason) < 500]


def texts(journal: Journal, kind: str = "test") -> list[str]:
    return [event.text for event in reversed(journal.event_log.page(kind=kind))]


def test_a_state_whose_reply_was_lost_is_there_once(journal: Journal, supervisor: Supervisor) -> None:
    with replies_lost(journal):
        supervisor.guard("venue", "it does not answer")
    assert supervisor.has("journal")
    supervisor.write_pending()
    supervisor.clear("venue")
    assert states(journal) == [
        (TRADING, START),
        (GUARDING, "venue: it does not answer"),
        (GUARDING, "venue: it does not answer"),  # the cause `journal` is over
        (TRADING, "venue is over"),
    ]


def test_states_that_were_not_written_are_all_written_and_in_their_order(
    journal: Journal, supervisor: Supervisor
) -> None:
    fill_up(journal)
    supervisor.guard("venue", "a")
    supervisor.guard("data", "b")
    supervisor.halt("a person", by="person")
    make_room(journal)
    with replies_lost(journal):
        supervisor.write_pending()
        supervisor.write_pending()
        supervisor.write_pending()
    supervisor.write_pending()
    assert states(journal) == [
        (TRADING, START),
        (GUARDING, "venue: a"),
        (GUARDING, "data: b"),
        (HALTED, "a person"),
    ]
    assert not supervisor.has("journal")


def test_a_state_that_is_entered_while_others_wait_comes_after_them(journal: Journal, supervisor: Supervisor) -> None:
    """Else the last row would be one of before: a halt would be forgotten by the next start."""
    fill_up(journal)
    supervisor.guard("venue", "a")
    make_room(journal)
    supervisor.halt("a person", by="person")
    supervisor.write_pending()
    assert states(journal) == [(TRADING, START), (GUARDING, "venue: a"), (HALTED, "a person")]
    again = Supervisor(journal, Status("demo", "here", {}), lambda: T0, lambda _: None)
    assert again.state is HALTED


def test_the_same_state_twice_is_two_rows_where_no_reply_was_lost(journal: Journal) -> None:
    record = StateRecord(T0, GUARDING, "venue: a")
    journal.states.record(record)
    journal.states.record(record)
    assert states(journal) == [(GUARDING, "venue: a")] * 2
    journal.states.record(record, tried=True)
    journal.states.record(StateRecord(T0, GUARDING, "venue: b"), tried=True)
    assert states(journal) == [(GUARDING, "venue: a")] * 2 + [(GUARDING, "venue: b")]


def test_events_whose_reply_was_lost_are_there_once(journal: Journal, said: Said) -> None:
    counted: list[str] = []
    events = Events(journal, said.now, counted.append)
    for text in ("one", "two", "two"):
        events.record("test", WARNING, text, "a")
    events.record("test", WARNING, "keyed", key="k")
    with replies_lost(journal):
        events.flush()
        events.record("test", WARNING, "three")
        events.flush()
        assert events.failure is not None
    events.record("test", WARNING, "two", "a")
    events.flush()
    assert texts(journal) == ["one", "two", "two", "keyed", "three", "two"]
    assert counted.count("warning") == 6
    events.flush()
    assert len(texts(journal)) == 6


def test_events_that_were_not_written_are_written_once_and_all(journal: Journal, said: Said) -> None:
    events = Events(journal, said.now)
    fill_up(journal)
    events.record("test", WARNING, "one")
    events.flush()
    events.record("test", WARNING, "one")
    events.flush()
    make_room(journal)
    with replies_lost(journal):
        events.flush()
    events.flush()
    assert texts(journal) == ["one", "one"]


def test_what_could_not_be_kept_is_counted_once(journal: Journal, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "MOST_PENDING", 2)
    events = Events(journal, said.now)
    for number in range(5):
        events.record("test", WARNING, f"number {number}")
    with replies_lost(journal):
        events.flush()
        events.record("test", WARNING, "number 5")
        events.flush()
    events.flush()
    events.flush()
    assert texts(journal) == ["number 0", "number 1"]
    assert [text.partition(" ")[0] for text in texts(journal, "lost")] == ["3", "1"]


def test_the_same_event_twice_is_two_rows_where_no_reply_was_lost(journal: Journal) -> None:
    event = NewEvent(at=T0, kind="test", severity=WARNING, text="one")
    other = NewEvent(at=T0, kind="test", severity=WARNING, text="one", ref="a")
    journal.event_log.record([event], T0)
    journal.event_log.record([event], T0)
    assert texts(journal) == ["one"] * 2
    journal.event_log.record([other, event, event, event], T0, tried=[event, event, event, other])
    assert texts(journal) == ["one"] * 4
